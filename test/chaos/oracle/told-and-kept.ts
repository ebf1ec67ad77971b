import { isDeepStrictEqual } from 'node:util';
import type { QueryJson } from '@muster/api-contract';
import type { KeptQuery, QueryObservation } from '../record/observations.js';
import { ledgerText } from './rows-and-ledger.js';
import type { Violation } from './violation.js';

/** The end that a viewer was told is the one that is kept. */
export function toldIsKept({ ask, id = '', viewings }: QueryObservation, { query }: KeptQuery): Violation[] {
  const rule = 'told against kept';
  return viewings.flatMap(({ ended }) => {
    if (ended === undefined) return [];
    if (isDeepStrictEqual(comparable(ended.query), comparable(query))) return [];
    const told = `${summary(ended.query)}${ended.synthesized ? ' (made by the API)' : ''}`;
    return [{ rule, atMs: ended.atMs, ids: [`ask ${ask}`, id], told, truth: `kept is ${summary(query)}` }];
  });
}

/** Who was told the end finds it: a GET directly afterwards shows it. */
export function toldAfterKept({ ask, id = '', viewings }: QueryObservation): Violation[] {
  return viewings.flatMap(({ ended, afterEnd }) => {
    if (ended === undefined || afterEnd === undefined || afterEnd.state === ended.query.state) return [];
    const told = `the event says ${ended.query.state}`;
    const truth = `a GET directly afterwards says ${afterEnd.state}`;
    return [{ rule: 'told after it is kept', atMs: ended.atMs, ids: [`ask ${ask}`, id], told, truth }];
  });
}

/** The rows that a viewer was told are those that are kept. */
export function rowsAreKept({ ask, id = '', viewings, mode }: QueryObservation, kept: KeptQuery): Violation[] {
  const agents = new Set(kept.agents);
  if (mode === 'group') return [];
  return viewings.flatMap(({ ended, agents: told }) => {
    if (ended === undefined || ended.synthesized || areEqual(told, agents)) return [];
    return [
      {
        ...{ rule: 'rows told against rows kept', atMs: ended.atMs, ids: [`ask ${ask}`, id] },
        ...{ told: `rows of ${told.size} endpoints`, truth: `rows of ${agents.size} are kept` },
      },
    ];
  });
}

/** A query is only called cancelled when somebody cancelled it. */
export function cancelledWasAsked({ ask, id = '', cancelledAtMs }: QueryObservation, kept: KeptQuery): Violation[] {
  const { state, endedAt = '' } = kept.query;
  if (state !== 'cancelled' || cancelledAtMs !== undefined) return [];
  const atMs = Date.parse(endedAt);
  return [{ rule: 'cancelled is asked for', atMs, ids: [`ask ${ask}`, id], told: 'cancelled', truth: 'nobody did' }];
}

function comparable({ state, ledger, offline, rows, endedAt }: QueryJson): object {
  return { state, ledger, offline, rows, endedAt };
}

function summary({ state, ledger, offline, rows, endedAt }: QueryJson): string {
  return `${state}, ${ledgerText(ledger)}, offline ${offline}, rows ${rows}, ended at ${endedAt ?? '-'}`;
}

function areEqual(one: ReadonlySet<string>, other: ReadonlySet<string>): boolean {
  return one.size === other.size && [...one].every((item) => other.has(item));
}
