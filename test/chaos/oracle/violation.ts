import { describeFault } from '../faults/fault.js';
import type { FaultInterval } from '../record/observations.js';

/** A rule that did not hold. */
export interface Violation {
  readonly rule: string;
  /** When it was seen, in milliseconds since 1970. */
  readonly atMs: number;
  /** When what it is about began, if that was earlier. */
  readonly sinceMs?: number;
  readonly ids: readonly string[];
  readonly told: string;
  readonly truth: string;
}

/** The text of a violation for people, with the faults that were under way or not yet overcome. */
export function describeViolation(
  { rule, atMs, sinceMs = atMs, ids, told, truth }: Violation,
  faults: readonly FaultInterval[],
  startedAtMs: number,
): string {
  const seconds = (ms: number): string => `${((ms - startedAtMs) / 1_000).toFixed(1)} s`;
  const underWay = faults.filter(({ fromMs, wholeMs = Infinity }) => fromMs <= atMs && sinceMs <= wholeMs);
  const latest = faults.findLast(({ fromMs }) => fromMs <= atMs);
  const listed = underWay.length > 0 || latest === undefined ? underWay : [latest];
  const faultText = listed.map(
    ({ fault, fromMs, healedMs, wholeMs }) =>
      `${describeFault(fault)} (at ${seconds(fromMs)}${healedMs === undefined ? '' : `, healed at ${seconds(healedMs)}`}${wholeMs === undefined ? '' : `, whole at ${seconds(wholeMs)}`})`,
  );
  return [
    `VIOLATION of ${rule} at ${seconds(atMs)}`,
    `  fault: ${faultText.length === 0 ? 'none' : faultText.join('; ')}`,
    `  ids:   ${ids.join(' ')}`,
    `  told:  ${told}`,
    `  truth: ${truth}`,
  ].join('\n');
}
