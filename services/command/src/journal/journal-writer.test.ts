import { describe, expect, test } from '@jest/globals';
import { StreamError, type AppendOptions, type AppendResult, type StreamStore } from '@muster/bus';
import type { CommandId, OrgId } from '@muster/protocol';
import { encodeJournalEntry, STREAM_SUBJECTS, type JournalEntry } from '@muster/records';
import { createMetrics } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { journalMetrics } from './journal-metrics.js';
import { JournalWriter } from './journal-writer.js';

const COMMAND = { org: 'acme' as OrgId, id: 'c1' as CommandId };
const ENTRY: JournalEntry = { t: 'released', atMs: 1, upTo: 2 };
const BYTES = encodeJournalEntry(ENTRY);
const away = (maybeStored = false): AppendResult => ({ kind: 'unavailable', maybeStored, cause: new Error('away') });

/** A writer to a broker that gives these answers, the last one again and again. */
function setUp(answers: readonly AppendResult[], { maxEntryBytes = 1_000, patienceMs = 5_000 } = {}) {
  const clock = new FakeClock();
  const registry = createMetrics('command');
  const appended: { subject: string; data: Uint8Array; options: AppendOptions; atMs: number }[] = [];
  const streams = {
    append: (subject: string, data: Uint8Array, options: AppendOptions = {}) => {
      appended.push({ subject, data, options, atMs: clock.monotonic() });
      return Promise.resolve(answers[Math.min(appended.length, answers.length) - 1]);
    },
  } as unknown as StreamStore;
  const writer = new JournalWriter({ streams, clock, metrics: journalMetrics(registry), maxEntryBytes, patienceMs });
  const text = async (name: string): Promise<string | undefined> =>
    (await registry.registry.metrics()).split('\n').find((line) => line.startsWith(name));
  return { writer, clock, appended, text };
}

describe('an entry', () => {
  test('is appended under its command, and counted', async () => {
    const { writer, appended, text } = setUp([{ kind: 'appended', seq: 7 }]);
    expect(await writer.append(COMMAND, ENTRY)).toEqual({ kind: 'appended', seq: 7, bytes: BYTES });
    expect(appended).toMatchObject([{ subject: STREAM_SUBJECTS.command(COMMAND.org, COMMAND.id), data: BYTES }]);
    expect(appended[0]?.options).toEqual({ msgId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(await text('muster_command_journal_entries_total')).toMatch(/kind="released".* 1$/);
    expect(await text('muster_command_journal_bytes_total')).toMatch(new RegExp(` ${BYTES.length}$`));
    expect(await text('muster_command_journal_append_seconds_count')).toMatch(/ 1$/);
    expect(await text('muster_command_journal_failures_total')).toMatch(/ 0$/);
  });

  test('is not written when there is another one that the caller has not seen', async () => {
    const { writer, appended, text } = setUp([{ kind: 'conflict' }]);
    expect(await writer.append(COMMAND, ENTRY, { after: 0 })).toEqual({ kind: 'conflict' });
    expect(appended[0]?.options).toMatchObject({ expectLastSubjectSeq: 0 });
    expect(await text('muster_command_journal_append_seconds_count')).toMatch(/ 0$/);
  });

  test('that is too large is not sent', async () => {
    const small = setUp([{ kind: 'appended', seq: 1 }], { maxEntryBytes: BYTES.length - 1 });
    expect(await small.writer.append(COMMAND, ENTRY)).toEqual({ kind: 'too_large', bytes: BYTES.length });
    expect(small.appended).toEqual([]);
    const enough = setUp([{ kind: 'appended', seq: 1 }], { maxEntryBytes: BYTES.length });
    expect((await enough.writer.append(COMMAND, ENTRY)).kind).toBe('appended');
  });
});

describe('an append without acknowledgement', () => {
  test('is repeated with the same id, after 20 ms to a second', async () => {
    const { writer, clock, appended } = setUp([away(), away(), away(), { kind: 'appended', seq: 3 }]);
    const writing = writer.append(COMMAND, ENTRY, { after: 2 });
    await clock.advanceAsync(4_000);
    expect(await writing).toMatchObject({ kind: 'appended', seq: 3 });
    expect(appended).toHaveLength(4);
    expect(new Set(appended.map(({ options }) => options.msgId)).size).toBe(1);
    for (const [i, { atMs }] of appended.entries()) {
      if (i > 0) expect(atMs - (appended[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(20);
      if (i > 0) expect(atMs - (appended[i - 1]?.atMs ?? 0)).toBeLessThanOrEqual(1_020);
    }
  });

  test('is given up when its time is over; whether it may be stored is remembered', async () => {
    for (const [answers, maybeStored] of [
      [[away()], false],
      [[away(), away(true), away()], true],
    ] as const) {
      const { writer, clock, appended, text } = setUp(answers);
      const writing = writer.append(COMMAND, ENTRY);
      await clock.advanceAsync(7_000);
      expect(await writing).toMatchObject({ kind: 'unavailable', maybeStored, cause: new Error('away') });
      expect(appended.at(-1)?.atMs).toBeGreaterThanOrEqual(5_000);
      expect(appended.at(-1)?.atMs).toBeLessThanOrEqual(6_020);
      expect(await text('muster_command_journal_failures_total')).toMatch(/ 1$/);
      expect(clock.pendingTimers).toBe(0);
    }
  });

  /** Seeds 892 and 1040 of the simulation: an endpoint was called silent although its outcome could not be kept, for 45 s. */
  test('tells since when what is reported can be kept: since the first entry after it', async () => {
    const stored: AppendResult = { kind: 'appended', seq: 1 };
    const full = { ...away(), cause: new StreamError('storage_full', 'no room') };
    const { writer, clock } = setUp([full, stored, away(), away(), stored]);
    const outcome: JournalEntry = { t: 'cancel', atMs: 1 } as JournalEntry;
    const append = (entry = outcome) => writer.append(COMMAND, entry, { patienceMs: 0 });
    // What is new is refused without room, and outcomes are kept then.
    await append(ENTRY);
    await append();
    expect(writer.keepsForMs).toBe(Number.POSITIVE_INFINITY);
    clock.advance(10_000);
    await append();
    expect(writer.keepsForMs).toBe(0);
    clock.advance(10_000);
    await append();
    clock.advance(10_000);
    await append();
    clock.jump(3_600_000);
    clock.advance(10_000);
    await append();
    expect(writer.keepsForMs).toBe(10_000);
  });

  test('is tried once when there is no time', async () => {
    const { writer, appended } = setUp([away()]);
    expect(await writer.append(COMMAND, ENTRY, { patienceMs: 0 })).toMatchObject({ kind: 'unavailable' });
    expect(appended).toHaveLength(1);
  });

  test('is tried for a minute at most, while the broker knows its id', async () => {
    const { writer, clock, appended } = setUp([away()]);
    const writing = writer.append(COMMAND, ENTRY, { patienceMs: 3_600_000 });
    await clock.advanceAsync(62_000);
    expect(await writing).toMatchObject({ kind: 'unavailable' });
    expect(appended.at(-1)?.atMs).toBeGreaterThanOrEqual(60_000);
  });
});
