import { describe, expect, it } from '@jest/globals';
import type { QueryStart } from '@muster/messages';
import {
  DEFAULT_BUDGET,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeCbor,
  FRAME,
  LIMITS,
  newCoordinatorId,
  newQueryId,
  type OrgId,
} from '@muster/protocol';
import { readGroupBlock } from '@muster/records';
import type { Session } from '../../sessions/hub/session.js';
import { fakeSession } from '../../testing/fake-session.js';
import { ActiveQuery } from './active-query.js';
import { CreditPool } from './credit-pool.js';

function start(change: Partial<QueryStart> = {}): QueryStart {
  return {
    t: 'query_start',
    id: newQueryId(0),
    org: 'acme' as OrgId,
    owner: newCoordinatorId(),
    sql: 'SELECT a FROM t',
    columns: ['a'],
    selector: '',
    mode: 'raw',
    nowMs: 0,
    deadlineMs: 10_000,
    budget: DEFAULT_BUDGET,
    ...change,
  };
}

function sessionOf(num: number): { session: Session; sent: number[] } {
  const { session, types } = fakeSession(num);
  return { session, sent: types };
}

function activeQuery(options: { limitBytes?: number; change?: Partial<QueryStart> } = {}) {
  const credits = new CreditPool({ limitBytes: options.limitBytes ?? 64 * 1024 * 1024, stepBytes: 4 * 1024 * 1024 });
  const query = new ActiveQuery({
    start: start(options.change),
    selector: [],
    ref: 7,
    deadlineMs: 10_000,
    credits,
    updateBytes: 100_000,
  });
  return { query, credits };
}

const row = encodeCbor(['x'.repeat(1_000)]);
const failuresOf = (query: ActiveQuery) =>
  query.aggregator.drain().flatMap(({ failures }) => failures.map(([num, ...rest]) => [num, rest[0], rest[1]]));

describe('an answer that breaks several rules', () => {
  const { rows: maxRows, bytes: maxBytes } = { rows: 2, bytes: 1_000 };
  const wide = encodeCbor(['x'.repeat(LIMITS.rowBytes)]);
  const small = encodeCbor(['x']);
  const odd = encodeCbor(['x', 'y']);
  const many = (bytes: Uint8Array, count: number) => Buffer.concat(Array.from({ length: count }, () => bytes));
  const large = { bytes: 4 * LIMITS.rowBytes };

  it.each([
    ['credit before the budget of bytes', { bytes: maxBytes }, [Buffer.alloc(5 * 1024 * 1024)], 'credit_exceeded'],
    ['bytes before what the rows are', { bytes: maxBytes }, [many(odd, 400)], 'bytes'],
    ['rows that are none before their number', { rows: maxRows }, [many(small, 3), odd], 'malformed_rows'],
    ['the number of rows before the size of one', { rows: maxRows, ...large }, [many(small, 2), wide], 'over_rows'],
    ['the size of a row', { rows: maxRows, ...large }, [wide], 'over_row_bytes'],
  ])('has the code of the first: %s', (_name, budget, bodies, code) => {
    for (const mode of ['raw', 'group'] as const) {
      const { query } = activeQuery({ change: { mode, budget: { ...DEFAULT_BUDGET, ...budget } } });
      const { session } = sessionOf(1);
      query.ask([session], { joined: false, nowMs: 0 });
      // It gets credit for the largest answer.
      query.rows(session, new Uint8Array(0), false);
      bodies.forEach((body, i) => query.rows(session, body, i === bodies.length - 1));
      // The outcome is final.
      query.queryEnd(session, encodeBody('queryEnd', { outcome: 'error', code: 'late', message: '' }));
      expect(failuresOf(query).map(([, , given]) => given)).toEqual([code]);
    }
  });

  it('has other bytes for the two zeros, and they are two rows', () => {
    const { query } = activeQuery({ change: { mode: 'group' } });
    const sessions = [sessionOf(1).session, sessionOf(2).session];
    query.ask(sessions, { joined: false, nowMs: 0 });
    const zeros = ['81f90000', '81f98000'].map((hex) => Buffer.from(hex, 'hex'));
    sessions.forEach((session, i) => query.rows(session, zeros[i]!, true));
    const groups = query.aggregator.drain().flatMap(({ groups: block }) => [...readGroupBlock(block)]);
    expect(groups.map(({ row: bytes }) => Buffer.from(bytes).toString('hex'))).toEqual(['81f90000', '81f98000']);
  });
});

describe('ActiveQuery', () => {
  it('asks with what is left of the time and a first credit', () => {
    const { query } = activeQuery();
    const frame = query.ask([sessionOf(1).session], { joined: false, nowMs: 4_000 });
    expect(decodeHeader(frame)).toEqual({ type: FRAME.query, flags: 0, ref: 7 });
    expect(query.waiting).toBe(1);
  });

  it('passes on what an answer lacks when the answer is taken, and nothing of one that is not', () => {
    const { query } = activeQuery();
    const [good, bad] = [sessionOf(1).session, sessionOf(2).session];
    query.ask([good, bad], { joined: false, nowMs: 0 });
    const lacks = encodeBody('warnings', { warnings: [{ code: 'cut', count: 3, message: 'a name' }] });
    for (const session of [good, bad, sessionOf(3).session]) expect(query.warnings(session, lacks)).toBe(true);
    expect(query.warnings(good, encodeCbor({ warnings: 7 }))).toBe(false);
    query.rows(good, row, true);
    query.queryEnd(bad, encodeBody('queryEnd', { outcome: 'error', code: 'x', message: '' }));
    expect(query.aggregator.drain().flatMap(({ warnings }) => warnings ?? [])).toEqual([[1, 'cut', 3, 'a name']]);
    expect(query.aggregator.drain().flatMap(({ warnings }) => warnings ?? [])).toEqual([]);
  });

  it('asks for progress of what has low priority only, and adds up what those say that have not settled', () => {
    const decode = (frame: Uint8Array) => decodeBody('query', frame.subarray(8));
    const [one, two, stranger] = [sessionOf(1).session, sessionOf(2).session, sessionOf(3).session];
    const { query: usual } = activeQuery();
    expect(decode(usual.ask([one], { joined: false, nowMs: 0 }))).toMatchObject({ ok: true, body: { warnings: true } });
    expect(decode(usual.ask([one], { joined: false, nowMs: 0 }))).not.toHaveProperty('body.progressMs');
    const { query } = activeQuery({ change: { budget: { ...DEFAULT_BUDGET, priority: 'low' } } });
    const frame = query.ask([one, two], { joined: false, nowMs: 0 });
    expect(decode(frame)).toMatchObject({ ok: true, body: { progressMs: LIMITS.progressMs } });
    expect(query.working()).toBeUndefined();
    const progress = (looked: number, paused = false) =>
      encodeBody('progress', { spentMs: 1, pausedMs: 0, paused, looked });
    expect(query.progress(stranger, progress(1_000), 0)).toBe(true);
    expect(query.working()).toBeUndefined();
    expect(query.progress(one, progress(5), 0)).toBe(true);
    expect(query.progress(one, progress(7), 5_000)).toBe(true);
    expect(query.progress(two, progress(2, true), 5_000)).toBe(true);
    expect(query.working()).toEqual({ endpoints: 2, paused: 1, looked: 9 });
    expect(query.progress(two, encodeBody('credit', { bytes: 1 }), 10_000)).toBe(false);
    query.rows(two, row, true);
    expect(query.working()).toEqual({ endpoints: 1, paused: 0, looked: 7 });
    query.sessionClosed(one, true);
    expect(query.working()).toEqual({ endpoints: 0, paused: 0, looked: 0 });
  });

  it('takes no progress that it did not ask for, that comes too often, or that nobody can have made', () => {
    const progress = (looked: number) => encodeBody('progress', { spentMs: 1, pausedMs: 0, paused: false, looked });
    const [one, two] = [sessionOf(1).session, sessionOf(2).session];
    const { query: usual } = activeQuery();
    usual.ask([one], { joined: false, nowMs: 0 });
    expect(usual.progress(one, progress(5), 0)).toBe(true);
    expect(usual.working()).toBeUndefined();
    const { query } = activeQuery({ change: { budget: { ...DEFAULT_BUDGET, priority: 'low' } } });
    query.ask([one, two], { joined: false, nowMs: 0 });
    query.progress(one, progress(5), 0);
    for (let nowMs = 0; nowMs < LIMITS.progressMs / 2; nowMs += 1) query.progress(one, progress(6), nowMs);
    expect(query.working()).toEqual({ endpoints: 1, paused: 0, looked: 5 });
    query.progress(one, progress(6), LIMITS.progressMs / 2);
    query.progress(two, progress(Number.MAX_SAFE_INTEGER), 0);
    expect(query.working()).toEqual({ endpoints: 2, paused: 0, looked: 6 + DEFAULT_BUDGET.ms * 1_000 });
  });

  it('ends an answer that takes more than its credit while the pool has nothing to give', () => {
    const { query, credits } = activeQuery({ limitBytes: 1 });
    const { session, sent } = sessionOf(1);
    query.ask([session], { joined: false, nowMs: 0 });
    for (let i = 0; i < 9; i += 1) query.rows(session, row, false);
    expect(failuresOf(query)).toEqual([[1, 'error', 'credit_exceeded']]);
    expect([query.waiting, credits.usedBytes, sent]).toEqual([0, 0, []]);
  });

  it('gives the memory of a large answer back when it is complete', () => {
    const { query, credits } = activeQuery();
    const { session, sent } = sessionOf(1);
    query.ask([session], { joined: false, nowMs: 0 });
    for (let i = 0; i < 300; i += 1) query.rows(session, row, false);
    expect(sent).toEqual([FRAME.credit]);
    expect(credits.usedBytes).toBeGreaterThan(0);
    query.rows(session, row, true);
    expect([query.waiting, credits.usedBytes, query.aggregator.size]).toEqual([0, 0, 1]);
  });

  it('ends an answer with a row over the limit, which no update could carry', () => {
    const { query, credits } = activeQuery();
    const { session } = sessionOf(1);
    query.ask([session], { joined: false, nowMs: 0 });
    query.rows(session, new Uint8Array(), false);
    query.rows(session, encodeCbor(['x'.repeat(LIMITS.rowBytes)]), true);
    expect(failuresOf(query)).toEqual([[1, 'over_budget', 'over_row_bytes']]);
    expect([query.waiting, credits.usedBytes]).toEqual([0, 0]);
  });

  it('ends an answer over the budget of rows, which an agent should have seen itself', () => {
    const { query, credits } = activeQuery({ change: { budget: { ...DEFAULT_BUDGET, rows: 9 } } });
    const { session } = sessionOf(1);
    query.ask([session], { joined: false, nowMs: 0 });
    for (let i = 1; i <= 10; i += 1) query.rows(session, row, i === 10);
    expect(failuresOf(query)).toEqual([[1, 'over_budget', 'over_rows']]);
    expect([query.waiting, credits.usedBytes]).toEqual([0, 0]);
  });

  it('puts together an answer that came in single bytes', () => {
    const { query } = activeQuery();
    const { session } = sessionOf(1);
    query.ask([session], { joined: false, nowMs: 0 });
    for (let i = 0; i < row.length; i += 1) query.rows(session, row.subarray(i, i + 1), i === row.length - 1);
    expect([query.waiting, query.aggregator.size]).toEqual([0, 1]);
  });

  it('takes one outcome per session and ignores what follows it', () => {
    const { query } = activeQuery();
    const { session } = sessionOf(1);
    query.ask([session], { joined: false, nowMs: 0 });
    query.rows(session, row, true);
    query.rows(session, row, true);
    query.queryEnd(session, encodeBody('queryEnd', { outcome: 'error', code: 'x', message: 'x' }));
    expect(query.sessionClosed(session, false)).toBe(false);
    expect(query.aggregator.size).toBe(1);
  });

  it('does not take the answer of a former session for the one that was asked', () => {
    const { query } = activeQuery();
    const former = sessionOf(1).session;
    const current = sessionOf(1).session;
    query.ask([current], { joined: false, nowMs: 0 });
    query.rows(former, row, true);
    expect([query.waiting, query.aggregator.size]).toEqual([1, 0]);
  });

  it('asks a newer session in place of the former one, with the memory of what that had begun to send', () => {
    const { query, credits } = activeQuery();
    const former = sessionOf(1).session;
    const current = sessionOf(1).session;
    query.ask([former], { joined: false, nowMs: 0 });
    for (let i = 0; i < 300; i += 1) query.rows(former, row, false);
    query.ask([current], { joined: true, nowMs: 0 });
    expect([query.waiting, credits.usedBytes, query.sessionClosed(former, false)]).toEqual([1, 0, false]);
    expect(query.mayAsk(1)).toBe(true);
    query.rows(current, row, true);
    expect([query.waiting, query.aggregator.size, query.mayAsk(1)]).toEqual([0, 1, false]);
  });

  it('does not report an endpoint as disconnected that was asked again before the next update', () => {
    const { query } = activeQuery();
    const [former, current, gone] = [sessionOf(1).session, sessionOf(1).session, sessionOf(2).session];
    query.ask([former, gone], { joined: false, nowMs: 0 });
    query.sessionClosed(former, false);
    query.sessionClosed(gone, false);
    query.ask([current], { joined: true, nowMs: 0 });
    expect([query.waiting, query.aggregator.size]).toEqual([1, 1]);
    expect(failuresOf(query)).toEqual([[2, 'disconnected', 'disconnected']]);
    query.sessionClosed(current, false);
    expect(failuresOf(query)).toEqual([[1, 'disconnected', 'disconnected']]);
  });

  it('may ask an endpoint again whose session ended, but not one that refused', () => {
    const { query } = activeQuery();
    const [one, two] = [sessionOf(1).session, sessionOf(2).session];
    query.ask([one, two], { joined: false, nowMs: 0 });
    query.sessionClosed(one, false);
    query.queryEnd(two, encodeBody('queryEnd', { outcome: 'refused', code: 'busy', message: '' }));
    expect([query.mayAsk(1), query.mayAsk(2)]).toEqual([true, false]);
  });

  it('does not ask an endpoint for ever that loses its session each time; a newer session in its place, here or elsewhere, is no loss', () => {
    const { query } = activeQuery();
    query.ask([sessionOf(1).session], { joined: false, nowMs: 0 });
    for (let i = 1; i <= 3; i += 1) {
      expect(query.mayAsk(1)).toBe(true);
      query.ask([sessionOf(1).session], { joined: true, nowMs: 0 });
      const { session } = sessionOf(1);
      query.ask([session], { joined: true, nowMs: 0 });
      query.sessionClosed(session, true);
      query.ask([session], { joined: true, nowMs: 0 });
      query.sessionClosed(session, false);
    }
    expect(query.mayAsk(1)).toBe(false);
    const [failure] = query.aggregator.drain().flatMap(({ failures }) => failures);
    expect(failure).toEqual([
      1,
      'disconnected',
      'disconnected',
      expect.stringMatching(/3 times: it is not asked again/),
    ]);
  });

  it('times out every endpoint at the deadline that has not answered', () => {
    const { query } = activeQuery();
    const [one, two] = [sessionOf(1).session, sessionOf(2).session];
    query.ask([one, two], { joined: false, nowMs: 0 });
    query.rows(one, row, true);
    expect(query.expire()).toEqual([two]);
    expect(failuresOf(query)).toEqual([[2, 'timed_out', 'deadline']]);
    expect(query.over).toBe(true);
  });
});
