import { hostMetric } from '@muster/host-metrics';

const modes = (...names: string[]): number[] =>
  names.map((mode) => hostMetric('system.cpu.time', { 'cpu.mode': mode }));
const BUSY = modes('user', 'nice', 'system', 'interrupt', 'softirq', 'steal');
const IDLE = modes('idle', 'iowait');
export const UTILIZATION = hostMetric('system.cpu.utilization');

/**
 * The share of time in which processors were busy between two samples of one series of samples. Each series needs its
 * own: one that is sent once a minute covers the minute.
 */
export class CpuUtilization {
  #busy = Number.NaN;
  #total = Number.NaN;

  /** Sets the utilization since the last call; absent at the first one, and when no time has passed. */
  complete(values: Float64Array): void {
    const busy = sumOf(values, BUSY);
    const total = busy + sumOf(values, IDLE);
    const passed = total - this.#total;
    const share = (busy - this.#busy) / passed;
    this.#busy = busy;
    this.#total = total;
    values[UTILIZATION] = passed > 0 ? Math.round(1_000 * Math.min(1, Math.max(0, share))) : Number.NaN;
  }
}

function sumOf(values: Float64Array, numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + (values[number] || 0), 0);
}
