import type { FindingJson, PackCheckJson, ScanJson } from '@muster/api-contract';
import { NO_COUNTS, rankOf, withoutVerdict, type Counts } from './outcomes.js';

/** A check of a scan: what it found, and what the pack says of it, where that is known. */
export interface ScannedCheck extends Counts {
  readonly id: string;
  readonly title: string;
  readonly severity: string;
  /** Those of `fail` that an exception allows. */
  readonly excepted: number;
  /** Against the complete scan before it. */
  readonly change: 'fails' | 'spreads' | 'mended' | 'still' | undefined;
  readonly pack: PackCheckJson | undefined;
}

/** Which checks are shown. */
export const SHOWN = [
  { id: 'open', label: 'what fails or has no verdict' },
  { id: 'excepted', label: 'what may fail, by exceptions' },
  { id: 'changed', label: 'what changed since the last scan' },
  { id: 'all', label: 'all checks' },
] as const;
export type Shown = (typeof SHOWN)[number]['id'];

/**
 * The checks of a scan, the most severe that fail first. Until they are counted, what the findings say so far stands for them: how many
 * fail, and nothing of those that pass.
 */
export function checksOf(
  scan: ScanJson,
  contents: readonly PackCheckJson[],
  findings: readonly FindingJson[],
): readonly ScannedCheck[] {
  const known = new Map(contents.map((check) => [check.id, check]));
  const counted =
    scan.checks ??
    contents.map(({ id, title, severity }) => ({
      ...{ id, title, severity, ...NO_COUNTS, ...soFar(id, findings) },
      excepted: exceptedSoFar(id, findings),
    }));
  return counted
    .map((check) => ({
      ...countsOf(check),
      ...textOf(check),
      excepted: check.excepted,
      change: changeOf(check.id, scan),
      pack: known.get(check.id),
    }))
    .sort(worstFirst);
}

function countsOf({ pass, fail, error, not_applicable, over_budget, uncounted }: Counts): Counts {
  return { pass, fail, error, not_applicable, over_budget, uncounted };
}

function textOf({ id, title, severity }: { readonly id: string; readonly title: string; readonly severity: string }) {
  return { id, title, severity };
}

function soFar(check: string, findings: readonly FindingJson[]): Partial<Counts> {
  const counts: Record<string, number> = {};
  for (const { check: id, outcome, endpoints } of findings)
    if (id === check) counts[outcome] = (counts[outcome] ?? 0) + endpoints;
  return counts;
}

function exceptedSoFar(check: string, findings: readonly FindingJson[]): number {
  return findings
    .filter(({ check: id }) => id === check)
    .flatMap(({ exceptions }) => exceptions)
    .reduce((sum, { endpoints }) => sum + endpoints, 0);
}

/** Endpoints on which a check fails without an exception. */
export function openFails({ fail, excepted }: Pick<ScannedCheck, 'fail' | 'excepted'>): number {
  return Math.max(0, fail - excepted);
}

function changeOf(id: string, { changes }: ScanJson): ScannedCheck['change'] {
  if (changes === undefined) return undefined;
  return (['fails', 'spreads', 'mended', 'still'] as const).find((change) => changes[change]?.includes(id) === true);
}

function worstFirst(one: ScannedCheck, other: ScannedCheck): number {
  const failing = Number(openFails(other) > 0) - Number(openFails(one) > 0);
  return (
    failing ||
    rankOf(other.severity) - rankOf(one.severity) ||
    openFails(other) - openFails(one) ||
    withoutVerdict(other) - withoutVerdict(one) ||
    (one.id < other.id ? -1 : 1)
  );
}

/** Those that a choice and a text leave. */
export function shownChecks(checks: readonly ScannedCheck[], shown: Shown, text: string): readonly ScannedCheck[] {
  const words = text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return checks.filter((check) => {
    if (shown === 'open' && openFails(check) + withoutVerdict(check) === 0) return false;
    if (shown === 'excepted' && check.excepted === 0) return false;
    if (shown === 'changed' && (check.change === undefined || check.change === 'still')) return false;
    const said = [check.id, check.title, check.severity, ...(check.pack?.tags ?? [])].join(' ').toLowerCase();
    return words.every((word) => said.includes(word));
  });
}
