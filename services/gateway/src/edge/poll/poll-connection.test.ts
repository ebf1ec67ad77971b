import { beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BATCH_ENTRY_BYTES, decodeBatch, encodeBody, encodeFrame, FRAME, LIMITS } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { CommandMemory, PollConnection } from './poll-connection.js';

const query = (ref: number): Uint8Array => encodeFrame(FRAME.query, ref, new Uint8Array(ref));
const cancel = (ref: number): Uint8Array => encodeFrame(FRAME.cancel, ref, encodeBody('cancel', { reason: 'ended' }));
const command = (number: number): Uint8Array => encodeFrame(FRAME.command, 0, Buffer.from([number]));

describe('a connection to an agent that polls', () => {
  let clock: FakeClock;
  let onOverflow: jest.Mock<() => void>;
  let onClosed: jest.Mock<() => void>;
  let connection: PollConnection;
  let counted: number;
  let memory: CommandMemory;

  beforeEach(() => {
    counted = 0;
    memory = new CommandMemory(1_000);
    clock = new FakeClock();
    onOverflow = jest.fn();
    onClosed = jest.fn();
    connection = new PollConnection({
      session: 'a hash',
      address: '127.0.0.1',
      clock,
      traffic: { sent: (frame, headBytes) => (counted += frame.length + headBytes) },
      commandMemory: memory,
      onOverflow,
      onClosed,
    });
  });

  /** The handles of what a poll brings, and the number of the last. */
  function poll(have: number): { refs: number[]; upTo: number; ages: number[] } {
    expect(connection.acknowledge(have)).toBe(true);
    const { batch, upTo } = connection.fetch();
    const frames = decodeBatch(batch) ?? [];
    return {
      refs: frames.map(({ frame }) => Buffer.from(frame).readUInt32BE(4)),
      upTo,
      ages: frames.map(({ ageMs }) => ageMs),
    };
  }

  it('brings frames in order, again until they were acknowledged, with their age', () => {
    connection.send(query(1));
    clock.advance(40);
    connection.send(query(2));
    clock.advance(2);
    expect(poll(0)).toEqual({ refs: [1, 2], upTo: 2, ages: [42, 2] });
    expect(poll(1)).toEqual({ refs: [2], upTo: 2, ages: [2] });
    connection.send(query(3));
    expect(poll(1)).toEqual({ refs: [2, 3], upTo: 3, ages: [2, 0] });
    expect(poll(3)).toEqual({ refs: [], upTo: 3, ages: [] });
    // A late repetition of an older request forgets nothing and brings nothing back.
    expect(poll(1)).toEqual({ refs: [], upTo: 3, ages: [] });
  });

  it('refuses an acknowledgement of frames that were never fetched', () => {
    connection.send(query(1));
    expect(connection.acknowledge(1)).toBe(false);
    expect(poll(0).upTo).toBe(1);
    expect(connection.acknowledge(2)).toBe(false);
    expect(connection.acknowledge(1)).toBe(true);
  });

  it('takes back a query that is cancelled before it was fetched, and leaves no gap in the numbers', () => {
    connection.send(query(1));
    expect(poll(0)).toMatchObject({ refs: [1], upTo: 1 });
    connection.send(query(2));
    connection.send(query(3));
    connection.send(cancel(2));
    expect(poll(1)).toMatchObject({ refs: [3], upTo: 2 });
    connection.send(cancel(3));
    expect(poll(2)).toMatchObject({ refs: [3], upTo: 3 });
  });

  it('cancels a query that was fetched, acknowledged or not', () => {
    connection.send(query(1));
    connection.send(query(2));
    poll(0);
    poll(1);
    for (const ref of [1, 2]) connection.send(cancel(ref));
    expect(poll(2)).toMatchObject({ refs: [1, 2], upTo: 4 });
  });

  it('brings the newest METRICS only, also when an older one is on its way', () => {
    const metrics = (everyMs: number): Uint8Array =>
      encodeFrame(FRAME.metrics, 0, encodeBody('metrics', { everyMs, ...(everyMs > 1 ? {} : { keyframe: true }) }));
    const brought = (): Uint8Array[] => (decodeBatch(connection.fetch().batch) ?? []).map(({ frame }) => frame);
    for (const everyMs of [1, 2]) connection.send(metrics(everyMs));
    connection.send(query(1));
    connection.send(metrics(3));
    expect(brought()).toEqual([metrics(3), query(1)].map((frame) => Buffer.from(frame)));
    for (const everyMs of [4, 5]) connection.send(metrics(everyMs));
    expect(brought()).toEqual([metrics(3), query(1), metrics(5)].map((frame) => Buffer.from(frame)));
    expect(connection.acknowledge(3)).toBe(true);
    expect(brought()).toEqual([]);
  });

  it('holds frames that services repeat only once', () => {
    for (const number of [1, 2, 1]) connection.send(command(number));
    expect(poll(0).upTo).toBe(2);
    connection.send(command(1));
    expect(poll(0).upTo).toBe(2);
    poll(2);
    connection.send(command(1));
    expect(poll(2).upTo).toBe(3);
  });

  it('fetches as much as fits into a batch, and says that there is more', () => {
    const large = encodeFrame(FRAME.query, 9, Buffer.alloc(LIMITS.pollBodyBytes / 2 - BATCH_ENTRY_BYTES - 8));
    connection.send(large);
    connection.send(large);
    connection.send(query(1));
    const first = connection.fetch();
    expect(first).toMatchObject({ upTo: 2, hasMore: true });
    expect(first.batch).toHaveLength(LIMITS.pollBodyBytes);
    connection.acknowledge(2);
    expect(connection.fetch()).toMatchObject({ upTo: 3, hasMore: false });
  });

  it('is bounded in frames and in bytes, and reports an overflow', () => {
    let sent = 0;
    while (connection.send(query(7)) === 'sent') sent += 1;
    expect([sent, onOverflow.mock.calls.length]).toEqual([4_096, 1]);
    poll(0);
    connection.acknowledge(4_096);
    const quarter = encodeFrame(FRAME.query, 9, Buffer.alloc(4 * 1024 * 1024 - 8));
    const results = [1, 2, 3, 4, 5].map(() => connection.send(quarter));
    expect(results).toEqual(['sent', 'sent', 'sent', 'sent', 'dropped']);
  });

  it('holds commands only while there is memory for those of all connections, and gives it back', () => {
    const large = (number: number): Uint8Array => encodeFrame(FRAME.command, 0, Buffer.alloc(392, number));
    expect([1, 2, 3].map((number) => connection.send(large(number)))).toEqual(['sent', 'sent', 'dropped']);
    expect([onOverflow.mock.calls.length, connection.send(query(1)), memory.freeBytes]).toEqual([0, 'sent', 200]);
    poll(0);
    poll(1);
    expect(memory.freeBytes).toBe(600);
    connection.close(1_000, 'normal');
    expect(memory.freeBytes).toBe(1_000);
  });

  it('counts a frame once, however often it is fetched', () => {
    connection.send(query(4));
    poll(0);
    poll(0);
    connection.send(query(4));
    poll(0);
    expect(counted).toBe(2 * (8 + 4 + BATCH_ENTRY_BYTES));
  });

  it('wakes every request that waits for a frame, and those that have waited long enough', async () => {
    const enough = new AbortController();
    const waiting = [connection.sentMoreThan(0, enough.signal), connection.sentMoreThan(0, enough.signal)];
    connection.send(query(1));
    await Promise.all(waiting);
    await connection.sentMoreThan(0, enough.signal);
    const late = connection.sentMoreThan(1, enough.signal);
    enough.abort();
    await late;
    const closed = connection.sentMoreThan(1, new AbortController().signal);
    connection.close(1001, 'goingAway');
    await closed;
  });

  it('is closed once, drops what waits, and sends nothing more', () => {
    connection.send(query(1));
    connection.close(4_000, 'draining');
    connection.close(1_000, 'normal');
    expect([connection.end, connection.send(query(2))]).toEqual([{ code: 4_000, reason: 'draining' }, 'closed']);
    expect(onClosed).toHaveBeenCalledTimes(1);
    expect(connection.fetch().batch).toHaveLength(0);
  });
});
