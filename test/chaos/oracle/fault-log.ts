import type { Part } from '../system/parts.js';
import type { FaultInterval } from '../record/observations.js';

/** Which faults were under way when. */
export class FaultLog {
  readonly intervals: readonly FaultInterval[];

  constructor(intervals: readonly FaultInterval[]) {
    this.intervals = intervals;
  }

  /** The faults of these parts that were under way, from the strike until the whole system worked again. */
  touching(fromMs: number, toMs: number, parts: readonly Part[]): readonly FaultInterval[] {
    return this.intervals.filter(
      ({ fault, fromMs: began, wholeMs = Infinity }) =>
        began <= toMs && wholeMs >= fromMs && fault.some(({ part }) => parts.includes(part)),
    );
  }

  /** When the last of these faults had healed; 0 without one, `Infinity` while one goes on. */
  static healedMs(intervals: readonly FaultInterval[]): number {
    return Math.max(0, ...intervals.map(({ healedMs = Infinity }) => healedMs));
  }
}
