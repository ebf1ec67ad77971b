import { isPlanned } from '../faults/fault.js';
import type { FaultInterval, KeptQuery, QueryObservation } from '../record/observations.js';
import type { SessionCut } from '../../simulator/index.js';
import { PARTS } from '../system/parts.js';
import type { TimeFacts } from './answers.js';
import { CONNECTED_BEFORE_MS } from './bounds.js';
import { endOf, ledgerText } from './rows-and-ledger.js';
import type { TargetFacts } from './targets.js';
import type { Violation } from './violation.js';

/** A question with less time than this may end before the slow endpoints have answered. */
const PATIENT_MS = 15_000;

/** Nobody loses a session while a program leaves in good order: agents move before they leave. */
export function drainsCutNobody(intervals: readonly FaultInterval[], cuts: readonly SessionCut[]): Violation[] {
  return intervals.flatMap(({ fault, fromMs, healedMs = Infinity }) => {
    const cut = isPlanned(fault) ? cuts.filter(({ atMs }) => atMs >= fromMs && atMs <= healedMs) : [];
    const [first] = cut;
    if (first === undefined) return [];
    const told = `${cut.length} sessions ended, ${first.agentId} by "${first.how}"`;
    const rule = 'a drain cuts nobody';
    return [{ rule, atMs: first.atMs, sinceMs: fromMs, ids: [first.agentId], told, truth: 'they can move first' }];
  });
}

/** A question that meets nothing but programs that leave in good order ends complete, with the answer of everybody who was connected. */
export function drainsLoseNoAnswer(
  { ask, timeoutMs, cancelledAtMs }: QueryObservation,
  kept: KeptQuery,
  { presence, faults, stalls }: TargetFacts & TimeFacts,
): Violation[] {
  const { query, failures } = kept;
  const [fromMs, toMs] = [Date.parse(query.createdAt), endOf(kept)];
  const met = faults.touching(fromMs, toMs, PARTS);
  if (met.length === 0 || !met.every(({ fault }) => isPlanned(fault)) || cancelledAtMs !== undefined) return [];
  const about = { atMs: toMs, ids: [`ask ${ask}`, query.id] };
  if (query.state !== 'complete')
    return [
      { rule: 'a drain interrupts no question', ...about, told: query.state, truth: 'programs left in good order' },
    ];
  if (timeoutMs < PATIENT_MS || stalls.within(fromMs, toMs) > 0) return [];
  const live = new Set(presence.throughout(fromMs - CONNECTED_BEFORE_MS, toMs));
  const lost = failures.filter(({ agentId, outcome }) => live.has(agentId ?? '') && outcome !== 'error');
  if (lost.length === 0) return [];
  const told = `${ledgerText(query.ledger)}; ${lost.length} did not: ${lost[0]?.agentId} ${lost[0]?.outcome}`;
  return [{ rule: 'a drain loses no answer', ...about, told, truth: `within ${timeoutMs} ms each could answer` }];
}
