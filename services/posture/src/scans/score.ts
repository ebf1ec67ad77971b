import type { Severity } from '@muster/packs';
import type { CheckCounts } from '@muster/records';

/** What one endpoint counts in one check. Checks of severity `info` tell something and count nothing. */
const WEIGHTS: Readonly<Record<Severity, number>> = { info: 0, low: 1, medium: 3, high: 7, critical: 10 };

export function weightOf(severity: string): number {
  return WEIGHTS[severity as Severity] ?? 0;
}

/**
 * 0 to 100, two decimals: the weight of what passes, of all that passes or fails. An outcome that says nothing
 * (`error`, `not_applicable`, `over_budget`) is in neither, and so is what fails and is excepted. `undefined` when
 * nothing passed or failed: no data is no good score.
 */
export function scoreOf(
  checks: readonly Pick<CheckCounts, 'severity' | 'pass' | 'fail' | 'excepted'>[],
): number | undefined {
  let passed = 0;
  let judged = 0;
  for (const { severity, pass, fail, excepted = 0 } of checks) {
    const weight = weightOf(severity);
    passed += weight * pass;
    judged += weight * (pass + fail - excepted);
  }
  return judged === 0 ? undefined : Math.round((10_000 * passed) / judged) / 100;
}
