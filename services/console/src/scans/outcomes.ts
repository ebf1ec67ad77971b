import type { CheckCountsJson } from '@muster/api-contract';

/** How many endpoints have each outcome of a check. */
export type Counts = Pick<CheckCountsJson, 'pass' | 'fail' | 'error' | 'not_applicable' | 'over_budget' | 'uncounted'>;

/** An outcome of a check: its name for people, and the name of its colour. */
export const OUTCOMES = [
  { key: 'fail', label: 'fail', tone: 'error' },
  { key: 'pass', label: 'pass', tone: 'answered' },
  { key: 'not_applicable', label: 'not applicable', tone: 'empty' },
  { key: 'error', label: 'error', tone: 'refused' },
  { key: 'over_budget', label: 'over budget', tone: 'over_budget' },
  { key: 'uncounted', label: 'not kept', tone: 'unreachable' },
] as const satisfies readonly { readonly key: keyof Counts; readonly label: string; readonly tone: string }[];

export const NO_COUNTS: Counts = { pass: 0, fail: 0, error: 0, not_applicable: 0, over_budget: 0, uncounted: 0 };

/** Endpoints that answered and have no verdict, though the check is for them. */
export function withoutVerdict({ error, over_budget, uncounted }: Counts): number {
  return error + over_budget + uncounted;
}

export function answered(counts: Counts): number {
  return OUTCOMES.reduce((sum, { key }) => sum + counts[key], 0);
}

const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'];

/** From 0, `info`, to 4, `critical`; -1 for one that is not known. */
export function rankOf(severity: string): number {
  return SEVERITIES.indexOf(severity);
}
