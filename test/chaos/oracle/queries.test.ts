import { describe, expect, it } from '@jest/globals';
import type { FailureJson } from '@muster/api-contract';
import type { KeptQuery, QueryObservation } from '../record/observations.js';
import {
  ASKED_MS,
  ENDED_MS,
  facts,
  faultInterval,
  kept,
  LEDGER,
  observation,
  query,
  viewing,
} from '../testing/told.js';
import { answersInTime, endsInTime, keysAreFree, neverTooMany, SERVICES } from './answers.js';
import { keptStays, questionsRunForSomebody } from './kept-queries.js';
import { ledgersBalance, rowsAgreeWithLedger } from './rows-and-ledger.js';
import { liveAreNotLost, liveAreTargets } from './targets.js';
import { cancelledWasAsked, rowsAreKept, toldAfterKept, toldIsKept } from './told-and-kept.js';
import type { Violation } from './violation.js';

/** Everything that is said of one question. */
function judged(asked: QueryObservation, result: KeptQuery, given = facts()): Violation[] {
  const ids = ['ask 1'];
  return [
    ...ledgersBalance(asked, result),
    ...rowsAgreeWithLedger(asked, result),
    ...liveAreTargets(asked, result, given),
    ...liveAreNotLost(asked, result, given),
    ...toldIsKept(asked, result),
    ...toldAfterKept(asked),
    ...rowsAreKept(asked, result),
    ...cancelledWasAsked(asked, result),
    ...endsInTime(asked, given),
    ...answersInTime(ids, asked.attempts, SERVICES.query, given),
    ...keysAreFree(ids, asked.attempts),
    ...neverTooMany(ids, asked.attempts),
    ...questionsRunForSomebody([asked], [result.query]),
    ...keptStays(new Map([['q1', query()]]), [query()]),
  ];
}

const rules = (violations: readonly Violation[]): string[] => [...new Set(violations.map(({ rule }) => rule))];
const failure = (agentId: string, outcome: FailureJson['outcome'], code: string): FailureJson => ({
  ...{ num: 2, agentId, host: agentId, outcome, code, message: '' },
});

/** One question whose viewers were told what is kept. */
function ended(change: Partial<ReturnType<typeof query>>, result: Partial<KeptQuery> = {}) {
  const all = query(change);
  const seen = viewing({ ended: { atMs: ENDED_MS, query: all, synthesized: false }, afterEnd: all });
  const agents = result.agents ?? ['a1', 'a2'];
  const asked = observation({ viewings: [{ ...seen, agents: new Set(agents) }] });
  return [asked, kept({ query: all, agents, ...result })] as const;
}

describe('the oracle of questions', () => {
  it('has nothing to say of a question in good order', () => {
    expect(judged(observation(), kept())).toEqual([]);
  });

  it('a ledger on the way that does not add up', () => {
    const asked = observation({ viewings: [viewing({ unbalanced: [{ ...LEDGER, targeted: 3 }] })] });
    expect(rules(judged(asked, kept()))).toEqual(['ledgers balance']);
  });

  it.each<[string, Partial<KeptQuery>]>([
    ['rows of an endpoint that is not counted answered', { endpoints: 3, agents: ['a1', 'a2'] }],
    ['rows of an endpoint that is listed as failed', { failures: [failure('a2', 'answered', '')] }],
    ['a failure that the ledger does not count', { failures: [failure('a3', 'timed_out', 'deadline')] }],
    ['rows of another question', { wrong: ['["host",2]'] }],
  ])('%s', (_, result) => {
    expect(rules(judged(...ended({}, result)))).toEqual(['rows against ledger']);
  });

  it('"complete", and nobody was asked, though endpoints are connected', () => {
    const nobody = { ...LEDGER, targeted: 0, answered: 0 };
    const said = judged(...ended({ ledger: nobody, offline: 2, rows: 0 }, { agents: [], endpoints: 0 }));
    expect(rules(said)).toEqual(['complete is not "nobody was asked"']);
  });

  it('the same with a word that it is not known, also while Redis is away', () => {
    const truncated = 'gateways do not say whom they ask, and the registry does not say whom they hold';
    const nobody = { ledger: { ...LEDGER, targeted: 0, answered: 0 }, offline: 2, rows: 0, truncated };
    const case_ = ended(nobody, { agents: [], endpoints: 0 });
    expect(rules(judged(...case_))).toEqual(['complete is not "nobody was asked"']);
    const faults = [faultInterval([{ kind: 'freeze', part: 'redis', ms: 10_000 }])];
    expect(rules(judged(...case_, facts({ faults })))).toEqual(['complete is not "nobody was asked"']);
  });

  it('an endpoint that was connected all the time and is called offline; not one that had just come', () => {
    const half = { ledger: { ...LEDGER, targeted: 1, answered: 1 }, offline: 1, rows: 1 };
    const case_ = ended(half, { agents: ['a1'], endpoints: 1 });
    expect(rules(judged(...case_))).toEqual(['who is live is a target']);
    const presence = [
      { agentId: 'a1', fromMs: ASKED_MS - 60_000 },
      { agentId: 'a2', fromMs: ASKED_MS - 4_000 },
    ];
    expect(judged(...case_, facts({ presence }))).toEqual([]);
  });

  it('an endpoint that is called lost, unless a fault may have taken its session', () => {
    const lost = { ledger: { ...LEDGER, answered: 1, unreachable: 1 }, rows: 1 };
    const failures = [failure('a2', 'unreachable', 'gateway_lost')];
    const case_ = ended(lost, { agents: ['a1'], endpoints: 1, failures });
    expect(rules(judged(...case_))).toEqual(['who is live is not lost']);
    const redis = facts({ faults: [faultInterval([{ part: 'redis', kind: 'freeze', ms: 10_000 }])] });
    expect(rules(judged(...case_, redis))).toEqual(['who is live is not lost']);
    const gateway = facts({ faults: [faultInterval([{ part: 'gateway-1', kind: 'kill', ms: 0 }])] });
    expect(judged(...case_, gateway)).toEqual([]);
  });

  it('an end that was told and is not the one that is kept', () => {
    const interrupted = query({ state: 'interrupted' });
    const told = viewing({ ended: { atMs: ENDED_MS, query: interrupted, synthesized: true }, afterEnd: interrupted });
    expect(rules(judged(observation({ viewings: [told] }), kept()))).toEqual(['told against kept']);
  });

  it('an end that a GET directly afterwards does not show', () => {
    const told = viewing({ afterEnd: query({ state: 'running' }) });
    expect(rules(judged(observation({ viewings: [told] }), kept()))).toEqual(['told after it is kept']);
  });

  it('rows that were told and are not kept', () => {
    const told = viewing({ agents: new Set(['a1', 'a2', 'a3']) });
    expect(rules(judged(observation({ viewings: [told] }), kept()))).toEqual(['rows told against rows kept']);
  });

  it('a cancel that nobody asked for', () => {
    expect(rules(judged(...ended({ state: 'cancelled' })))).toEqual(['cancelled is asked for']);
  });

  it('an end that is told late, or never; while NATS is away it may be told when NATS is back', () => {
    const late = { atMs: ASKED_MS + 8_500, query: query(), synthesized: false };
    const asked = observation({ viewings: [viewing({ ended: late })] });
    expect(rules(judged(asked, kept()))).toEqual(['ends are told in time']);
    const nats = facts({ faults: [faultInterval([{ part: 'nats', kind: 'freeze', ms: 10_000 }])] });
    expect(judged(asked, kept(), nats)).toEqual([]);
    const { ended: _, afterEnd: __, ...never } = viewing();
    expect(rules(judged(observation({ viewings: [{ ...never, agents: new Set() }] }), kept()))).toEqual([
      'viewers hear the end',
    ]);
  });

  it('an answer that takes long though one of two services lives', () => {
    const attempts = [{ fromMs: ASKED_MS, toMs: ASKED_MS + 5_000, status: 201, id: 'q1' }];
    const one = facts({ faults: [faultInterval([{ part: 'query-1', kind: 'freeze', ms: 10_000 }])] });
    const both = facts({
      faults: [
        faultInterval([
          { part: 'query-1', kind: 'freeze', ms: 10_000 },
          { part: 'query-2', kind: 'kill', ms: 0 },
        ]),
      ],
    });
    expect(rules(judged(observation({ attempts }), kept(), one))).toEqual(['answers come in time']);
    expect(judged(observation({ attempts }), kept(), both)).toEqual([]);
    const redis = facts({ faults: [faultInterval([{ part: 'redis', kind: 'freeze', ms: 10_000 }])] });
    const slow = [{ fromMs: ASKED_MS, toMs: ASKED_MS + 3_000, status: 201, id: 'q1' }];
    expect(judged(observation({ attempts: slow }), kept(), one)).toEqual([]);
    expect(rules(judged(observation({ attempts: slow }), kept(), redis))).toEqual(['answers come in time']);
  });

  it('a key that is in use after a "no", but not after a connection that broke', () => {
    const no = { fromMs: ASKED_MS - 200, toMs: ASKED_MS - 100, status: 503, code: 'broker_unavailable' };
    const used = { fromMs: ASKED_MS - 100, toMs: ASKED_MS - 50, status: 409, code: 'conflict' };
    const yes = { fromMs: ASKED_MS, toMs: ASKED_MS + 50, status: 201, id: 'q1' };
    const broke = { fromMs: ASKED_MS - 200, toMs: ASKED_MS - 100, broke: 'reset' };
    const said = (...attempts: QueryObservation['attempts']) => rules(judged(observation({ attempts }), kept()));
    expect(said(no, used, yes)).toEqual(['keys are free after a no']);
    expect(said(broke, used, yes)).toEqual([]);
    expect(said(yes, { ...yes, id: 'q2' })).toEqual(['one key makes one thing']);
  });

  it('a question that begins when nobody waits for it, or twice, or in the place of another', () => {
    const later = query({ id: 'q2', createdAt: new Date(ASKED_MS + 20_000).toISOString() });
    expect(rules(questionsRunForSomebody([observation()], [query(), later]))).toEqual([
      'a question runs once',
      'no question runs unasked',
    ]);
    // It began anew, because its owner died before the caller heard of it.
    const soon = query({ id: 'q2', createdAt: new Date(ASKED_MS + 1).toISOString() });
    const lost = query({ state: 'interrupted' });
    for (const both of [
      [lost, soon],
      [soon, lost],
    ])
      expect(rules(questionsRunForSomebody([observation()], both))).not.toContain('a question runs once');
    const attempts = [
      { fromMs: ASKED_MS - 100, toMs: ASKED_MS - 50, status: 429, code: 'too_many_queries' },
      { fromMs: ASKED_MS, toMs: ASKED_MS + 50, status: 201, id: 'q1' },
    ];
    expect(rules(judged(observation({ attempts }), kept()))).toEqual(['no question runs unasked']);
  });

  it('what is kept and changes afterwards', () => {
    const changed = query({ state: 'interrupted' });
    expect(rules(keptStays(new Map([['q1', query()]]), [changed]))).toEqual(['kept stays']);
    expect(rules(keptStays(new Map([['q1', query()]]), [changed], 'mixed'))).toEqual(['kept stays']);
  });

  it('what only an API of the other version shows is no change, where there are two', () => {
    const told = new Map([['q1', query({ tables: ['system_info'] })]]);
    expect(keptStays(told, [query()], 'mixed')).toEqual([]);
    expect(rules(keptStays(told, [query()]))).toEqual(['kept stays']);
  });
});
