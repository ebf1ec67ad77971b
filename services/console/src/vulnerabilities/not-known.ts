import type { VulnerabilityScanJson } from '@muster/api-contract';
import { plural, whole } from '../text/numbers.js';

/** `12`, or `12 to 15` where it is not known which endpoints have more than one of the packages. */
export function rangeText(atLeast: number, atMost: number): string {
  return atLeast === atMost ? whole(atLeast) : `${whole(atLeast)} to ${whole(atMost)}`;
}

type Question = VulnerabilityScanJson['questions'][number];

/** Endpoints that a question was for and that did not answer it; what they have is not known. */
export function silentOf({ ledger }: Pick<Question, 'ledger'>): number {
  return ledger === undefined ? 0 : ledger.targeted - ledger.answered - ledger.empty + (ledger.away ?? 0);
}

/** Why what a scan found is not everything, in sentences; none where nothing is missing. */
export function gapsOf(scan: Pick<VulnerabilityScanJson, 'questions' | 'packages' | 'state'>): readonly string[] {
  if (scan.state === 'running') return [];
  const silent = Math.max(0, ...scan.questions.map(silentOf));
  const cut = scan.questions.filter(({ truncated }) => truncated !== undefined).map(({ kind }) => kind);
  const unknown = scan.packages?.not_known ?? 0;
  return [
    ...(unknown > 0 ? [`Of ${plural(unknown, 'package')} nobody knows whether they are vulnerable.`] : []),
    ...(silent > 0
      ? [`Up to ${plural(silent, 'endpoint')} did not answer a question: their software is not known.`]
      : []),
    ...(cut.length > 0 ? [`Not everything was kept of: ${cut.join(', ')}.`] : []),
    ...(scan.state === 'interrupted' ? ['It ended early: what it did not see is not known.'] : []),
  ];
}
