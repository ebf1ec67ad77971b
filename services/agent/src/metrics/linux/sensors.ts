import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type Group, GROUP_LIMIT, GROUP_METRICS, groupMetric, hostMetric } from '@muster/host-metrics';
import { readableName } from '../contract/instance-names.js';
import type { Measurements } from '../contract/measurements.js';
import type { BoundedCalls } from './bounded-calls.js';

const CHARGE = groupMetric('battery', 'hw.battery.charge');
const DISCHARGING = groupMetric('battery', 'hw.battery.discharging');
/** Absolute zero, and beyond what silicon stands. */
const COLDEST = -273;
const HOTTEST = 1_000;

interface Row {
  readonly name: string;
  readonly values: readonly number[];
}

/**
 * Temperatures and batteries (the kernel's Documentation/ABI/testing/sysfs-class-thermal, -hwmon and -power). Reading a
 * sensor may take long, so it is done outside the event loop.
 */
export class Sensors {
  readonly #calls: BoundedCalls;
  readonly #root: string;

  constructor(calls: BoundedCalls, root = '') {
    this.#calls = calls;
    this.#root = root;
  }

  async read(set: Measurements): Promise<void> {
    place(set, 'temperature', [...(await this.#monitors()), ...(await this.#zones())]);
    place(set, 'battery', await this.#batteries());
  }

  async #monitors(): Promise<Row[]> {
    const rows: Row[] = [];
    for (const monitor of list(`${this.#root}/sys/class/hwmon`)) {
      const folder = `${this.#root}/sys/class/hwmon/${monitor}`;
      const inputs = list(folder).filter((file) => /^temp\d{1,3}_input$/.test(file));
      if (inputs.length === 0) continue;
      const chip = (await this.#word(`${folder}/name`)) ?? monitor;
      for (const input of inputs) {
        const sensor = input.slice(0, -'_input'.length);
        const label = (await this.#word(`${folder}/${sensor}_label`)) ?? sensor;
        rows.push({ name: `${chip} ${label}`, values: [celsius(await this.#word(`${folder}/${input}`))] });
      }
    }
    return rows;
  }

  /** Those that a monitor has as well come twice, under their own names. */
  async #zones(): Promise<Row[]> {
    const zones = list(`${this.#root}/sys/class/thermal`).filter((name) => /^thermal_zone\d{1,4}$/.test(name));
    const rows: Row[] = [];
    for (const zone of zones) {
      const folder = `${this.#root}/sys/class/thermal/${zone}`;
      const type = (await this.#word(`${folder}/type`)) ?? '';
      rows.push({ name: `${zone} ${type}`.trim(), values: [celsius(await this.#word(`${folder}/temp`))] });
    }
    return rows;
  }

  async #batteries(): Promise<Row[]> {
    const rows: Row[] = [];
    for (const name of list(`${this.#root}/sys/class/power_supply`)) {
      const folder = `${this.#root}/sys/class/power_supply/${name}`;
      if ((await this.#word(`${folder}/type`)) !== 'Battery') continue;
      // That of a mouse or of a keyboard.
      if ((await this.#word(`${folder}/scope`)) === 'Device') continue;
      const charge = Number((await this.#word(`${folder}/capacity`)) ?? Number.NaN);
      const status = await this.#word(`${folder}/status`);
      const values = [Number.NaN, Number.NaN];
      values[CHARGE] = charge >= 0 && charge <= 100 ? charge : Number.NaN;
      values[DISCHARGING] = status === undefined ? Number.NaN : Number(status === 'Discharging');
      rows.push({ name, values });
    }
    return rows;
  }

  async #word(path: string): Promise<string | undefined> {
    const text = await this.#calls.call(path, () => readFile(path, 'latin1'));
    return text?.trim().slice(0, 256) || undefined;
  }
}

/** Tenths of a degree from thousandths. */
function celsius(word: string | undefined): number {
  const degrees = /^-?\d{1,9}$/.test(word ?? '') ? Number(word) / 1_000 : Number.NaN;
  return degrees >= COLDEST && degrees <= HOTTEST ? degrees * 10 : Number.NaN;
}

function place(
  { host, groups }: Measurements,
  group: Extract<Group, 'temperature' | 'battery'>,
  rows: readonly Row[],
): void {
  const chosen = new Map<string, Row>();
  for (const row of rows) {
    const name = readableName(row.name);
    if (chosen.size < GROUP_LIMIT[group] && !chosen.has(name)) chosen.set(name, row);
  }
  const width = GROUP_METRICS[group].length;
  const values = new Float64Array(chosen.size * width).fill(Number.NaN);
  for (const [i, row] of [...chosen.values()].entries()) values.set(row.values, i * width);
  groups[group] = { names: [...chosen.keys()], values };
  host[hostMetric('muster.agent.omitted', { group })] = rows.length - chosen.size;
}

/** Names with digits in the order of their numbers. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder, 'latin1').toSorted((a, b) => a.length - b.length || (a < b ? -1 : 1));
  } catch {
    return [];
  }
}
