import { describe, expect, it } from '@jest/globals';
import type { FailureJson } from '@muster/api-contract';
import { parseFault } from '../faults/fault.js';
import { ASKED_MS, facts, faultInterval, kept, LEDGER, observation, query } from '../testing/told.js';
import { drainsCutNobody, drainsLoseNoAnswer } from './planned.js';
import { liveAreNotLost } from './targets.js';

const drain = faultInterval(parseFault('drain gateway-1'));
const kill = faultInterval(parseFault('kill gateway-1'));
const failed = (outcome: FailureJson['outcome']): FailureJson => ({
  ...{ num: 2, agentId: 'a2', host: 'a2', outcome, code: 'x', message: '' },
});
const patient = observation({ timeoutMs: 20_000 });

describe('the oracle of what leaves in good order', () => {
  it('a session that is lost while a gateway drains; not one of a gateway that is killed, and none of later', () => {
    const cut = { agentId: 'a1', atMs: ASKED_MS + 2_000, how: 'lost: reset' };
    expect(drainsCutNobody([drain], [cut]).map(({ rule }) => rule)).toEqual(['a drain cuts nobody']);
    expect(drainsCutNobody([kill], [cut])).toEqual([]);
    expect(drainsCutNobody([drain], [{ ...cut, atMs: ASKED_MS + 20_000 }])).toEqual([]);
  });

  it('an answer that did not come from who was there; not when a gateway was killed, and not in a hurry', () => {
    const timedOut = kept({
      query: query({ ledger: { ...LEDGER, answered: 1, timed_out: 1 }, rows: 1 }),
      failures: [failed('timed_out')],
    });
    const rules = (faults = [drain], asked = patient): string[] =>
      drainsLoseNoAnswer(asked, timedOut, facts({ faults })).map(({ rule }) => rule);
    expect(rules()).toEqual(['a drain loses no answer']);
    expect([rules([kill]), rules([]), rules([drain], observation())]).toEqual([[], [], []]);
  });

  it('a question that is interrupted, unless its caller cancelled it', () => {
    const interrupted = kept({ query: query({ state: 'interrupted' }) });
    const given = facts({ faults: [drain] });
    expect(drainsLoseNoAnswer(patient, interrupted, given).map(({ rule }) => rule)).toEqual([
      'a drain interrupts no question',
    ]);
    expect(drainsLoseNoAnswer({ ...patient, cancelledAtMs: ASKED_MS }, interrupted, given)).toEqual([]);
  });

  it('an endpoint that is called disconnected while its gateway drains', () => {
    const lost = kept({
      query: query({ ledger: { ...LEDGER, answered: 1, disconnected: 1 }, rows: 1 }),
      failures: [failed('disconnected')],
    });
    expect(liveAreNotLost(patient, lost, facts({ faults: [drain] })).map(({ rule }) => rule)).toEqual([
      'who is live is not lost',
    ]);
    expect(liveAreNotLost(patient, lost, facts({ faults: [kill] }))).toEqual([]);
  });
});
