import type { Candidate } from '../contract/instance-selection.js';
import type { AnswerRow } from './windows-answer.js';

const KIB = 1_024;
/** Tenths of a kelvin. */
const FREEZING_POINT = 2_731.5;
/** Tenths of a degree. What is beyond is no measurement. */
const COLDEST = -500;
const HOTTEST = 2_000;
/** Win32_Battery.BatteryStatus: 1 discharging, 4 low, 5 critical; 10 undefined. */
const DISCHARGING = [1, 4, 5];
const UNDEFINED = 10;

/** Reads rows of Win32_LogicalDisk. There is nothing that only administrators may use, and no inodes. */
export function readVolumes(rows: readonly AnswerRow[]): Candidate[] {
  return rows.flatMap((row) => {
    const key = row.text(0);
    const [size, free] = [row.number(1), row.number(2)];
    if (key === '' || !(size >= free)) return [];
    const values = [size / KIB, (size - free) / KIB, free / KIB, 0, Number.NaN, Number.NaN];
    return [{ key, values, activity: size }];
  });
}

/** Reads rows of Win32_Battery. */
export function readBatteries(rows: readonly AnswerRow[]): Candidate[] {
  return rows.flatMap((row) => {
    const key = row.text(0);
    const [charge, status] = [row.number(1), row.number(2)];
    if (key === '') return [];
    const discharging =
      status === UNDEFINED || Number.isNaN(status) ? Number.NaN : Number(DISCHARGING.includes(status));
    return [{ key, values: [charge <= 100 ? charge : Number.NaN, discharging], activity: 1 }];
  });
}

/** Reads rows of Win32_PerfRawData_Counters_ThermalZoneInformation. A zone that is not measured says 0. */
export function readTemperatures(rows: readonly AnswerRow[]): Candidate[] {
  return rows.flatMap((row) => {
    const key = row.text(0);
    const celsius = row.number(1) - FREEZING_POINT;
    if (key === '' || key === '_Total' || !(celsius >= COLDEST && celsius <= HOTTEST)) return [];
    return [{ key, values: [celsius], activity: 1 }];
  });
}
