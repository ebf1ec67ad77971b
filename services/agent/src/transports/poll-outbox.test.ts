import { describe, expect, it } from '@jest/globals';
import { BATCH_ENTRY_BYTES, decodeBatch, LIMITS } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { randomBytes } from 'node:crypto';
import { PollOutbox } from './poll-outbox.js';

/** Does not compress. */
const frame = (bytes: number): Uint8Array => randomBytes(bytes);

/** How large the batches are that carry much, each of which takes so long. */
async function sizes(outbox: PollOutbox, ...tookMs: readonly number[]): Promise<number[]> {
  const seen: number[] = [];
  for (const ms of tookMs) {
    seen.push((await outbox.next())?.body.length ?? 0);
    outbox.taken(ms);
  }
  return seen;
}

describe('the outbox of a Poll session', () => {
  it('starts with small batches, which grow while they are taken quickly', async () => {
    const outbox = new PollOutbox(new FakeClock());
    const each = 4_096 - BATCH_ENTRY_BYTES;
    for (let i = 0; i < 1_000; i += 1) outbox.add(frame(each));
    const seen = await sizes(outbox, ...Array.from({ length: 8 }, () => 100));
    const KIB = 1024;
    expect(seen).toEqual([16, 32, 64, 128, 256, 512, 960, 960].map((kib) => kib * KIB));
    expect(Math.max(...seen)).toBeLessThanOrEqual(LIMITS.pollBodyBytes);
  });

  it('says of each frame how old what it says was when the batch was made', async () => {
    const clock = new FakeClock();
    const outbox = new PollOutbox(clock);
    outbox.add(frame(20), 45_000);
    outbox.add(frame(20));
    clock.advance(2_000);
    const batch = decodeBatch((await outbox.next())?.body ?? new Uint8Array());
    expect(batch?.map(({ ageMs }) => ageMs)).toEqual([47_000, 2_000]);
  });

  it('shrinks batches when they take long', async () => {
    const outbox = new PollOutbox(new FakeClock());
    for (let i = 0; i < 200; i += 1) outbox.add(frame(4_096 - BATCH_ENTRY_BYTES));
    const seen = await sizes(outbox, 100, 100, 2_000, 8_000, 8_000, 8_000, 100);
    expect(seen.map((bytes) => bytes / 1024)).toEqual([16, 32, 64, 64, 32, 16, 16]);
  });

  it('does not grow because of small batches', async () => {
    const outbox = new PollOutbox(new FakeClock());
    for (let i = 0; i < 3; i += 1) {
      outbox.add(frame(100));
      await sizes(outbox, 10);
    }
    for (let i = 0; i < 20; i += 1) outbox.add(frame(4_096 - BATCH_ENTRY_BYTES));
    expect(await sizes(outbox, 10)).toEqual([16 * 1024]);
  });

  it('repeats a batch until it is taken, and sends a frame that is larger than a batch alone', async () => {
    const outbox = new PollOutbox(new FakeClock());
    outbox.add(frame(100_000));
    outbox.add(frame(10));
    const first = await outbox.next();
    expect(await outbox.next()).toBe(first);
    expect([first?.sequence, first?.body.length, outbox.bytes]).toEqual([1, 100_000 + BATCH_ENTRY_BYTES, 100_010]);
    outbox.taken(10);
    expect([(await outbox.next())?.sequence, outbox.bytes]).toEqual([2, 10]);
    outbox.taken(10);
    expect([await outbox.next(), outbox.bytes]).toEqual([undefined, 0]);
  });
});
