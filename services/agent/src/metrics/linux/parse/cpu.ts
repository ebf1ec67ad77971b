import { GROUP_LIMIT, groupMetric, GROUP_METRICS, hostMetric } from '@muster/host-metrics';
import { sum } from './sum.js';
import type { TextScanner } from './text-scanner.js';

const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'softirq', 'steal'] as const;
const TIMES = MODES.map((mode) => hostMetric('system.cpu.time', { 'cpu.mode': mode }));
const CORE_MODES = ['user', 'system', 'idle', 'iowait', 'steal'] as const;
const CORE_TIMES = CORE_MODES.map((mode) => groupMetric('core', 'system.cpu.time', { 'cpu.mode': mode }));
const CREATED = hostMetric('system.process.created');
const COUNT = hostMetric('system.cpu.logical.count');

export interface CpuTimes {
  /** The numbers of the processors that are online. */
  readonly cores: readonly string[];
  readonly values: Float64Array;
  /** Processors beyond the limit. */
  readonly omitted: number;
}

/**
 * Reads `/proc/stat` (proc_stat(5)): the times of all processors and the count of forks into `host`, and returns those
 * of each processor. Times are in ticks of 10 ms. Those of guests are part of `user` and `nice`.
 */
export function parseCpuStat(text: TextScanner, host: Float64Array): CpuTimes {
  const cores: string[] = [];
  const rows: number[] = [];
  let online = 0;
  for (; !text.done; text.nextLine()) {
    const key = text.word();
    if (key === 'cpu') for (const number of TIMES) host[number] = text.number();
    else if (key.startsWith('cpu')) {
      online += 1;
      if (cores.length === GROUP_LIMIT.core || !/^cpu\d{1,6}$/.test(key) || cores.includes(key.slice(3))) continue;
      cores.push(key.slice(3));
      rows.push(...coreTimes(text));
    } else if (key === 'processes') host[CREATED] = text.number();
  }
  if (online > 0) host[COUNT] = online;
  return { cores, values: Float64Array.from(rows), omitted: online - cores.length };
}

/** A core has no series of its own for `nice` and for interrupts: they are added to `user` and `system`. */
function coreTimes(text: TextScanner): number[] {
  const [user, nice, system, idle, iowait, interrupt, softirq, steal] = MODES.map(() => text.number()) as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  const times = [sum(user, nice), sum(system, interrupt, softirq), idle, iowait, steal];
  const row = Array.from({ length: GROUP_METRICS.core.length }, () => Number.NaN);
  for (const [i, number] of CORE_TIMES.entries()) row[number] = times[i] ?? Number.NaN;
  return row;
}
