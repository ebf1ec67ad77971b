import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import type { Broker } from './broker.js';
import { connectNats } from './connect-nats.js';
import type { ReadOptions } from './stream-store.js';
import { seqOf } from './testing/contract-stream.js';

/** Each reading is judged by what was acknowledged before it began. `MUSTER_TEST_READS_SECONDS` makes the test longer. */
const SECONDS = Number(process.env['MUSTER_TEST_READS_SECONDS'] ?? 4);
const ORGS = 3;

const draw = (below: number): number => Math.floor(Math.random() * below);
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('readings of parts of a stream are whole', () => {
  let dataDir: string;
  let server: NatsHandle;
  let broker: Broker;
  /** What was acknowledged: the subject of each sequence. */
  let kept: Map<number, string>;
  /** Removed, or perhaps. */
  let gone: Set<number>;
  let endsMs: number;

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-bus-'));
    server = await startNats({ dataDir, logger: silentLogger });
    broker = await connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
    await broker.streams.ensure([{ name: 'WHOLE', subjects: ['whole.>'] }]);
    kept = new Map();
    gone = new Set();
    for (let n = 0; n < 500; n += 1) await append();
    endsMs = Date.now() + SECONDS * 1_000;
  });
  afterEach(async () => {
    await broker.stop();
    await server.stop();
    await rm(dataDir, { recursive: true });
  });

  const isOver = (): boolean => Date.now() > endsMs;
  /** They begin and end, as those of commands do. */
  const nextSubject = (): string => `whole.o${draw(ORGS)}.c${Math.floor(kept.size / 12) + draw(6)}`;

  async function append(): Promise<void> {
    const subject = nextSubject();
    const result = await broker.streams.append(subject, new Uint8Array(1 + draw(3_000)));
    if (result.kind === 'appended') kept.set(seqOf(result), subject);
  }

  async function remove(): Promise<void> {
    const subject = [...kept.values()][draw(kept.size)] ?? '';
    const seqs = [...kept].flatMap(([seq, of]) => (of === subject ? [seq] : []));
    for (const seq of seqs) gone.add(seq);
    await broker.streams.purge('WHOLE', subject, { beforeSeq: Math.max(0, ...seqs) + 1 }).catch(() => undefined);
  }

  async function read(): Promise<{ readonly what: ReadOptions; readonly missing: readonly number[] }> {
    const org = `whole.o${draw(ORGS)}`;
    const [prefix, filter] = [
      ['whole.', { subject: 'whole.>' }],
      ['whole.', {}],
      [`${org}.`, { subject: `${org}.*` }],
      [`${org}.c7`, { subject: `${org}.c7` }],
    ][draw(4)] as [string, ReadOptions];
    const fromSeq = 1 + draw(Math.max(...kept.keys()));
    const isWanted = ([seq, of]: [number, string]): boolean =>
      seq >= fromSeq && (of === prefix || (of.startsWith(prefix) && prefix.endsWith('.'))) && !gone.has(seq);
    const wanted = [...kept].filter(isWanted).map(([seq]) => seq);
    const seen = new Set<number>();
    const what = { ...filter, fromSeq, batch: [8, 256, 1_000][draw(3)] ?? 1 };
    for await (const { seq } of broker.streams.read('WHOLE', what)) seen.add(seq);
    return { what, missing: wanted.filter((seq) => !seen.has(seq) && !gone.has(seq)) };
  }

  const repeat = async (run: () => Promise<void>): Promise<void> => {
    while (!isOver()) await run();
  };

  async function judge(times: { count: number }): Promise<void> {
    await repeat(async () => {
      expect(await read()).toMatchObject({ missing: [] });
      times.count += 1;
    });
  }

  it('on a quiet server', async () => {
    const times = { count: 0 };
    await judge(times);
    expect(times.count).toBeGreaterThan(10);
  });

  it(
    'while others append and remove, and the server is killed and frozen',
    async () => {
      const times = { count: 0 };
      const harm = async (): Promise<void> => {
        await pause(500);
        if (draw(2) === 0) {
          await server.kill9();
          return server.restart();
        }
        process.kill(server.pid!, 'SIGSTOP');
        await pause(300);
        process.kill(server.pid!, 'SIGCONT');
      };
      const write = async (): Promise<void> => {
        await append();
        await pause(draw(20));
      };
      const clear = async (): Promise<void> => {
        await pause(draw(300));
        await remove();
      };
      const all = [judge(times), judge(times), repeat(write), repeat(clear), repeat(harm)];
      // The server is stopped behind this test, and nobody may do anything to it then.
      await Promise.allSettled(all.map((one) => one.finally(() => (endsMs = 0))));
      await Promise.all(all);
      expect(times.count).toBeGreaterThan(0);
    },
    (SECONDS + 60) * 1_000,
  );
});
