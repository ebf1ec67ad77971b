import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StreamError, type ReadOptions } from '@muster/bus';
import { MemoryBroker, type MemoryConnection } from '@muster/bus/memory';
import { newCommandId, type CommandId, type OrgId } from '@muster/protocol';
import { encodeJournalEntry, encodeNumberSet, STREAM_SUBJECTS, STREAMS, type JournalEntry } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { journalMetrics } from './journal-metrics.js';
import { JournalProjection } from './journal-projection.js';
import { JournalWriter } from './journal-writer.js';

const ORG = 'acme' as OrgId;
let broker: MemoryBroker;
let connection: MemoryConnection;
let clock: FakeClock;
let projection: JournalProjection;
let writer: JournalWriter;

beforeEach(async () => {
  broker = new MemoryBroker();
  connection = broker.connect();
  clock = new FakeClock();
  const { streams } = connection;
  const metrics = journalMetrics(createMetrics('command'));
  await streams.ensure(Object.values(STREAMS));
  projection = new JournalProjection({ streams, clock, logger: silentLogger, metrics, keepEnded: 2 });
  writer = new JournalWriter({ streams, clock, metrics, maxEntryBytes: 10_000, patienceMs: 1_000 });
});
afterEach(async () => {
  await projection.stop();
  await connection.stop();
});

const submitted = (id: CommandId, change: object = {}): JournalEntry => ({
  ...{ t: 'submitted', atMs: 1, signature: { jws: 'j', keys: 'k' }, released: 1, sent: encodeNumberSet([1]) },
  record: {
    ...{ id, org: ORG, action: 'dns.flush', params: {}, dryRun: false, target: '' },
    ...{ targets: { sets: [encodeNumberSet([7])] }, operator: { id: 'o', name: 'o', role: 'admin' } },
    ...{ submittedAtMs: clock.now(), expiresAtMs: clock.now() + 1_000, timeoutMs: 1, ...change },
  },
});
const succeeded: JournalEntry = {
  ...{ t: 'states', atMs: 2 },
  changes: [{ state: 'succeeded', targets: encodeNumberSet([1]), code: '', message: '' }],
};
async function append(id: CommandId, entry: JournalEntry): Promise<void> {
  const result = await writer.append({ org: ORG, id }, entry);
  if (result.kind !== 'appended') throw new Error(result.kind);
  await projection.folded(result.seq);
}

test('an ended command shrinks to a summary, the newest summaries stay in memory, and every command can be read again', async () => {
  await projection.start();
  const ids = [1, 2, 3].map((n) => newCommandId(n));
  for (const id of ids) {
    await append(id, submitted(id));
    expect(projection.get(id)?.fold.state(1)).toBe('sent');
    await append(id, succeeded);
    expect(projection.get(id)).toBeUndefined();
  }
  expect(projection.list(ORG, { limit: 10 }).map(({ record }) => record.id)).toEqual([ids[2], ids[1]]);
  expect(projection.summary(ORG, ids[0]!)).toBeUndefined();
  expect((await projection.load(ORG, ids[0]!))?.fold.ledger.succeeded).toBe(1);
  expect(await projection.load('other' as OrgId, ids[0]!)).toBeUndefined();
});

test('an entry that cannot be read, or is under the subject of another command, does not hide later entries', async () => {
  await projection.start();
  const [one, two] = [newCommandId(1), newCommandId(2)];
  await connection.streams.append(STREAM_SUBJECTS.command(ORG, one), Buffer.from('nonsense'));
  await connection.streams.append(STREAM_SUBJECTS.command(ORG, one), encodeJournalEntry(submitted(two)));
  await append(one, submitted(one));
  expect([projection.openCount, projection.get(one)?.id, projection.get(two)]).toEqual([1, one, undefined]);
});

test('of two commands with one request key within a day the later one in the journal is void', async () => {
  await projection.start();
  const [first, second, third] = [1, 2, 3].map((n) => newCommandId(n)) as [CommandId, CommandId, CommandId];
  await append(first, submitted(first, { requestKey: 'key' }));
  await append(second, submitted(second, { requestKey: 'key' }));
  await append(second, succeeded);
  expect([projection.byRequestKey('key'), projection.firstOf(second), projection.knows(second)]).toEqual([
    first,
    first,
    false,
  ]);
  expect(await projection.load(ORG, second)).toBeUndefined();
  await clock.advanceAsync(25 * 3_600_000);
  expect(projection.byRequestKey('key')).toBeUndefined();
  await append(third, submitted(third, { requestKey: 'key' }));
  expect([projection.byRequestKey('key'), projection.firstOf(third)]).toEqual([third, undefined]);
});

test('an entry whose acknowledgement was lost is in the journal once; without a broker an append is given up in time', async () => {
  await projection.start();
  const id = newCommandId(1);
  const { streams } = connection;
  let lost = 2;
  const lossy = new JournalWriter({
    ...{ clock, metrics: journalMetrics(createMetrics('command')), maxEntryBytes: 10_000, patienceMs: 5_000 },
    streams: {
      append: async (...args: Parameters<typeof streams.append>) => {
        const result = await streams.append(...args);
        return (lost -= 1) >= 0 ? { kind: 'unavailable', maybeStored: true, cause: new Error('lost') } : result;
      },
    } as typeof streams,
  });
  const writing = lossy.append({ org: ORG, id }, submitted(id), { after: 0 });
  await clock.advanceAsync(3_000);
  expect(await writing).toMatchObject({ kind: 'appended' });
  expect(await lossy.append({ org: ORG, id }, succeeded, { after: 99 })).toEqual({ kind: 'conflict' });
  let entries = 0;
  for await (const { seq } of streams.read(STREAMS.commands.name)) entries += seq > 0 ? 1 : 0;
  expect(entries).toBe(1);
  broker.interrupt();
  const hopeless = writer.append({ org: ORG, id }, succeeded);
  await clock.advanceAsync(3_000);
  expect(await hopeless).toMatchObject({ kind: 'unavailable', maybeStored: false });
  expect(await writer.append({ org: ORG, id }, submitted(id, { reason: 'x'.repeat(20_000) }))).toMatchObject({
    kind: 'too_large',
  });
  broker.restore();
});

test('listeners hear of a journal that is read again once it is complete, not entry by entry', async () => {
  const { streams } = connection;
  let breakNow: () => void = () => undefined;
  const breaking = {
    read: async function* (stream: string, options: ReadOptions = {}) {
      const broken = new AbortController();
      breakNow = () => broken.abort();
      const signal = AbortSignal.any([broken.signal, options.signal!]);
      yield* streams.read(stream, { ...options, signal });
      if (broken.signal.aborted) throw new StreamError('stream_reset', 'made anew');
    },
  } as unknown as typeof streams;
  const metrics = journalMetrics(createMetrics('command'));
  const anew = new JournalProjection({ streams: breaking, clock, logger: silentLogger, metrics, keepEnded: 2 });
  await anew.start();
  const id = newCommandId(1);
  const written = await writer.append({ org: ORG, id }, submitted(id));
  await anew.folded(written.kind === 'appended' ? written.seq : 0);
  const before = anew.get(id);
  let steps = 0;
  anew.onStep(() => (steps += 1));
  const restarted = new Promise<void>((resolve) => anew.onRestart(resolve));
  breakNow();
  await restarted;
  expect([anew.get(id)?.id, anew.get(id) === before, steps]).toEqual([id, false, 0]);
  await anew.stop();
});
