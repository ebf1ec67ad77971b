import { EMPTY_LEDGER } from '@muster/protocol/vocabulary';
import { expect, test } from '@jest/globals';
import type { StreamEvent } from '../stream/protocol.js';
import { QueryReader } from './query-reader.js';

const ledger = (more: object) => ({ ...EMPTY_LEDGER, targeted: 3, waiting: 3, ...more });
const query = (more: object = {}) => ({
  id: 'q1',
  state: 'running',
  mode: 'raw',
  columns: ['a'],
  ledger: ledger({}),
  ...more,
});
const name = (num: number) => ({ num, agentId: `a${num}`, host: `h${num}` });
const failure = (num: number, message = 'broken') => ({ ...name(num), outcome: 'error', code: 'x', message });

function reading(...events: object[]): QueryReader {
  const reader = new QueryReader();
  for (const event of events) {
    reader.take(event as StreamEvent);
    reader.view.takeAppended();
  }
  return reader;
}
const started = { event: 'started', seq: 1, query: query() };
const rows = (seq: number, num: number, ...values: unknown[]) => ({
  event: 'rows',
  seq,
  answers: [{ ...name(num), rows: values.map((value) => [value]) }],
  ledger: ledger({ answered: 1, waiting: 2 }),
});

test('takes rows, failures and the ledger of the same moment', () => {
  const state = reading(started, rows(2, 1, 'x', 'y'), {
    event: 'failures',
    seq: 3,
    failures: [failure(2), failure(3)],
    ledger: ledger({ answered: 1, error: 2, waiting: 0 }),
  }).state();
  expect(state).toMatchObject({ phase: 'streaming', kept: 2, length: 2, failures: 2, lastSeq: 3 });
  expect(state.ledger).toMatchObject({ answered: 1, error: 2, waiting: 0 });
  expect(state.failureGroups).toEqual([
    { outcome: 'error', code: 'x', message: 'broken', endpoints: 2, sample: ['h2', 'h3'] },
  ]);
});

test('an endpoint that recovered is no failure any more', () => {
  const reader = reading(started, { event: 'failures', seq: 2, failures: [failure(2), failure(3, 'other')] });
  reader.take({ event: 'recovered', seq: 3, endpoints: [name(2)] });
  expect(reader.state().failureGroups.map(({ message }) => message)).toEqual(['other']);
});

test('a lost connection is told, and what was kept stays until it goes on', () => {
  const reader = reading(started, rows(2, 1, 'x'));
  reader.takeLink({ state: 'lost', since: 5, why: 'gone' });
  expect(reader.state()).toMatchObject({ phase: 'lost', since: 5, kept: 1 });
  reader.takeLink({ state: 'open' });
  reader.take(rows(3, 2, 'y'));
  expect(reader.state()).toMatchObject({ phase: 'streaming', since: undefined, kept: 2 });
});

test('a refusal is told with its code, and nothing after it counts', () => {
  const reader = reading(
    { event: 'refused', seq: null, problem: { code: 'not_found', detail: 'no such query' } },
    started,
  );
  expect(reader.state()).toMatchObject({ phase: 'refused', problem: { code: 'not_found' }, query: undefined });
});

test('after the end the state is that of the ended query, whatever the connection does', () => {
  const reader = reading(started, { event: 'ended', seq: 9, query: query({ state: 'interrupted' }) });
  reader.takeLink({ state: 'lost', since: 1, why: '' });
  expect(reader.state()).toMatchObject({ phase: 'ended', query: { state: 'interrupted' } });
});

test('events whose name nobody knows are ignored', () => {
  expect(reading(started, { event: 'from_the_future', seq: 2 }).state()).toMatchObject({
    phase: 'streaming',
    lastSeq: 2,
  });
});

test('a stream that is refused for now goes on with its next event; one that is refused for good does not', () => {
  const refused = { event: 'refused', seq: null, problem: { code: 'rate_limited', detail: 'too many are open' } };
  const reader = reading(started, { ...refused, isPassing: true });
  expect(reader.state()).toMatchObject({ phase: 'held', problem: { detail: 'too many are open' } });
  reader.take(rows(2, 1, 'x') as StreamEvent);
  expect(reader.state()).toMatchObject({ phase: 'streaming', problem: undefined });
  const over = reading(started, refused, rows(2, 1, 'x'));
  expect([over.phase, over.store.length]).toEqual(['refused', 0]);
});

test('a session that ended beneath it is told as that, and not as a server that does not answer', () => {
  const reader = reading(started);
  reader.takeLink({ state: 'signed_out' });
  expect(reader.phase).toBe('signed_out');
  reader.takeLink({ state: 'lost', since: 5, why: '' });
  reader.takeLink({ state: 'open' });
  expect(reader.phase).toBe('streaming');
});
