import { describe, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { EMPTY_LEDGER, newQueryId, type OrgId } from '@muster/protocol';
import { STREAMS, type ResultEvent } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { readResults } from '@muster/service-base';
import { ResultWriter, resultMetrics } from './result-writer.js';

const progress = (elapsedMs: number): ResultEvent => ({ t: 'progress', ledger: EMPTY_LEDGER, elapsedMs, gateways: 0 });

async function open() {
  const broker = new MemoryBroker();
  const { streams } = broker.connect();
  await streams.ensure(Object.values(STREAMS));
  const clock = new FakeClock();
  const query = { org: 'acme' as OrgId, id: newQueryId(0) };
  const due: ResultEvent[] = [];
  const broken: string[] = [];
  const writer = (through: typeof streams = streams): ResultWriter =>
    new ResultWriter({
      ...query,
      ...{
        streams: through,
        clock,
        logger: silentLogger,
        metrics: resultMetrics(createMetrics('query')),
        retryForMs: 5_000,
      },
      next: () => due.shift(),
      onBroken: (result) => broken.push(result),
    });
  const written = async (): Promise<number[]> => {
    const seen: number[] = [];
    for await (const { event } of readResults(streams, query)) if (event.t === 'progress') seen.push(event.elapsedMs);
    return seen;
  };
  return { broker, streams, clock, query, due, broken, writer, written };
}

describe('result writer', () => {
  test('writes in order whatever is due, also what comes while it writes', async () => {
    const { due, writer, written } = await open();
    const results = writer();
    due.push(progress(1), progress(2));
    results.kick();
    due.push(progress(3));
    await results.idle();
    due.push(progress(4));
    await results.idle();
    expect(await written()).toEqual([1, 2, 3, 4]);
  });

  test('is fenced when another has written, and announces it once', async () => {
    const { due, broken, writer, written } = await open();
    const [first, second] = [writer(), writer()];
    expect(await first.write(progress(1))).toBe('written');
    expect(await second.write(progress(2))).toBe('fenced');
    expect(await second.write(progress(3))).toBe('fenced');
    due.push(progress(4));
    await second.idle();
    expect([broken, await written()]).toEqual([['fenced'], [1]]);
  });

  test('of a query that ends stores what is due also where only what is essential is taken', async () => {
    const { streams, clock, due, writer, written } = await open();
    const full = Object.assign(Object.create(streams) as typeof streams, {
      append: async (...[subject, data, options]: Parameters<typeof streams.append>) =>
        options?.essential === true
          ? streams.append(subject, data, options)
          : { kind: 'unavailable', maybeStored: false, cause: new Error('full') },
    });
    const results = writer(full);
    due.push(progress(1), progress(2));
    results.kick();
    await clock.advanceAsync(1_000);
    expect(await written()).toEqual([]);
    results.ending();
    await clock.advanceAsync(1_000);
    await results.idle();
    expect(await written()).toEqual([1, 2]);
  });

  test('recognises its own append whose acknowledgement was lost', async () => {
    const { streams, clock, writer, written } = await open();
    let lose = true;
    const lossy = Object.assign(Object.create(streams) as typeof streams, {
      append: async (subject: string, data: Uint8Array, options: { expectLastSubjectSeq: number }) => {
        // Without the message's id, as if the broker's memory of ids were over too.
        const result = await streams.append(subject, data, { expectLastSubjectSeq: options.expectLastSubjectSeq });
        if (!lose) return result;
        lose = false;
        return { kind: 'unavailable', maybeStored: true, cause: new Error('lost') };
      },
    });
    const results = writer(lossy);
    const writing = results.write(progress(1));
    await clock.advanceAsync(300);
    expect(await writing).toBe('written');
    expect(await results.write(progress(2))).toBe('written');
    expect(await written()).toEqual([1, 2]);
  });

  test('waits for a broker that is away, but not for ever', async () => {
    const { broker, broken, clock, writer } = await open();
    const results = writer();
    broker.interrupt();
    const writing = results.write(progress(1));
    await clock.advanceAsync(6_000);
    expect(await writing).toBe('lost');
    expect(broken).toEqual(['lost']);
  });
});
