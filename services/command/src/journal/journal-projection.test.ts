import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { StreamError, type ReadOptions, type StreamStore } from '@muster/bus';
import { newCommandId, type CommandId, type OrgId } from '@muster/protocol';
import { encodeJournalEntry, STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { JournalHarness, ORG, succeeded } from '../testing/journal-harness.js';
import type { JournalProjection } from './journal-projection.js';

let harness: JournalHarness;
let projection: JournalProjection;
beforeEach(async () => {
  harness = await JournalHarness.open();
  ({ projection } = harness);
});
afterEach(() => harness.stop());

test('an ended command shrinks to a summary, the newest summaries stay in memory, and every command can be read again', async () => {
  await projection.start();
  const ids = [1, 2, 3].map((n) => newCommandId(n));
  for (const id of ids) {
    await harness.append(id, harness.submitted(id));
    expect(projection.get(id)?.fold.state(1)).toBe('sent');
    await harness.append(id, succeeded);
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
  await harness.streams.append(STREAM_SUBJECTS.command(ORG, one), Buffer.from('nonsense'));
  await harness.streams.append(STREAM_SUBJECTS.command(ORG, one), encodeJournalEntry(harness.submitted(two)));
  await harness.append(one, harness.submitted(one));
  expect([projection.openCount, projection.get(one)?.id, projection.get(two)]).toEqual([1, one, undefined]);
});

test('of two commands with one request key within a day the later one in the journal is void', async () => {
  await projection.start();
  const [first, second, third] = [1, 2, 3].map((n) => newCommandId(n)) as [CommandId, CommandId, CommandId];
  await harness.append(first, harness.submitted(first, { requestKey: 'key' }));
  await harness.append(second, harness.submitted(second, { requestKey: 'key' }));
  await harness.append(second, succeeded);
  expect([projection.byRequestKey('key'), projection.firstOf(second), projection.knows(second)]).toEqual([
    first,
    first,
    false,
  ]);
  expect(await projection.load(ORG, second)).toBeUndefined();
  await harness.clock.advanceAsync(25 * 3_600_000);
  expect(projection.byRequestKey('key')).toBeUndefined();
  await harness.append(third, harness.submitted(third, { requestKey: 'key' }));
  expect([projection.byRequestKey('key'), projection.firstOf(third)]).toEqual([third, undefined]);
});

test('an entry whose acknowledgement was lost is in the journal once; without a broker an append is given up in time', async () => {
  await projection.start();
  const id = newCommandId(1);
  const { streams } = harness;
  let lost = 2;
  const losing = {
    append: async (...args: Parameters<typeof streams.append>) => {
      const result = await streams.append(...args);
      return (lost -= 1) >= 0 ? { kind: 'unavailable', maybeStored: true, cause: new Error('lost') } : result;
    },
  } as StreamStore;
  const lossy = harness.writerTo(losing, 5_000);
  const writing = lossy.append({ org: ORG, id }, harness.submitted(id), { after: 0 });
  await harness.clock.advanceAsync(3_000);
  expect(await writing).toMatchObject({ kind: 'appended' });
  expect(await lossy.append({ org: ORG, id }, succeeded, { after: 99 })).toEqual({ kind: 'conflict' });
  let entries = 0;
  for await (const { seq } of streams.read(STREAMS.commands.name)) entries += seq > 0 ? 1 : 0;
  expect(entries).toBe(1);
  harness.broker.interrupt();
  const hopeless = harness.writer.append({ org: ORG, id }, succeeded);
  await harness.clock.advanceAsync(3_000);
  expect(await hopeless).toMatchObject({ kind: 'unavailable', maybeStored: false });
  expect(
    await harness.writer.append({ org: ORG, id }, harness.submitted(id, { reason: 'x'.repeat(20_000) })),
  ).toMatchObject({
    kind: 'too_large',
  });
  harness.broker.restore();
});

test('listeners hear of a journal that is read again once it is complete, not entry by entry', async () => {
  const { streams } = harness;
  let breakNow: () => void = () => undefined;
  const breaking = {
    read: async function* (stream: string, options: ReadOptions = {}) {
      const broken = new AbortController();
      breakNow = () => broken.abort();
      const signal = AbortSignal.any([broken.signal, options.signal!]);
      yield* streams.read(stream, { ...options, signal });
      if (broken.signal.aborted) throw new StreamError('stream_reset', 'made anew');
    },
  } as unknown as StreamStore;
  const anew = harness.projectionOf(breaking);
  await anew.start();
  const id = newCommandId(1);
  await anew.folded(await harness.write(id, harness.submitted(id)));
  const before = anew.get(id);
  let steps = 0;
  anew.onStep(() => (steps += 1));
  const restarted = new Promise<void>((resolve) => anew.onRestart(resolve));
  breakNow();
  await restarted;
  expect([anew.get(id)?.id, anew.get(id) === before, steps]).toEqual([id, false, 0]);
  await anew.stop();
});
