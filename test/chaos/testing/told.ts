import type { LedgerJson, QueryJson } from '@muster/api-contract';
import { EMPTY_LEDGER } from '@muster/protocol';
import type { Fault } from '../faults/fault.js';
import { FaultLog } from '../oracle/fault-log.js';
import { PresenceIndex } from '../oracle/presence-index.js';
import type { FaultInterval, KeptQuery, QueryObservation, Viewing } from '../record/observations.js';
import type { PresenceInterval } from '../../simulator/index.js';

/** A question of two endpoints and its kept result, in good order; tests of the oracle change one thing. */

export const ASKED_MS = Date.parse('2026-01-01T00:01:00Z');
export const ENDED_MS = ASKED_MS + 4_000;

export const LEDGER: LedgerJson = { ...EMPTY_LEDGER, targeted: 2, answered: 2 };

export function query(change: Partial<QueryJson> = {}): QueryJson {
  return {
    ...{ id: 'q1', state: 'complete', sql: 'SELECT hostname, 1 AS ask FROM system_info', mode: 'raw' },
    ...{ selector: '', scope: '', columns: ['hostname', 'ask'], timeoutMs: 6_000, operator: { id: 'o', name: 'o' } },
    ...{ createdAt: new Date(ASKED_MS).toISOString(), deadlineAt: new Date(ASKED_MS + 6_000).toISOString() },
    ...{ endedAt: new Date(ENDED_MS).toISOString(), ledger: LEDGER, offline: 0, rows: 2, ...change },
  };
}

export function kept(change: Partial<KeptQuery> = {}): KeptQuery {
  return { query: query(), agents: ['a1', 'a2'], endpoints: 2, failures: [], wrong: [], ...change };
}

export function viewing(change: Partial<Viewing> = {}): Viewing {
  const ended = { atMs: ENDED_MS, query: query(), synthesized: false };
  return { fromMs: ASKED_MS, unbalanced: [], agents: new Set(['a1', 'a2']), ended, afterEnd: query(), ...change };
}

export function observation(change: Partial<QueryObservation> = {}): QueryObservation {
  const attempts = [{ fromMs: ASKED_MS, toMs: ASKED_MS + 50, status: 201, id: 'q1' }];
  return {
    ...{ ask: 1, key: 'ask-1', mode: 'raw', timeoutMs: 6_000, attempts, viewings: [viewing()], id: 'q1', done: true },
    ...change,
  };
}

/** All endpoints connected for the whole minute before, unless other intervals are given. */
export function facts(given: { presence?: PresenceInterval[]; faults?: FaultInterval[] } = {}) {
  const all = ['a1', 'a2'].map((agentId) => ({ agentId, fromMs: ASKED_MS - 60_000 }));
  return {
    presence: new PresenceIndex(given.presence ?? all),
    faults: new FaultLog(given.faults ?? []),
    stalls: { within: () => 0 },
    patience: 1,
  };
}

/** A fault from the question on, that healed after 10 s, when the system was whole. */
export function faultInterval(fault: Fault, fromMs = ASKED_MS): FaultInterval {
  return { fault, fromMs, healedMs: fromMs + 10_000, wholeMs: fromMs + 10_000 };
}
