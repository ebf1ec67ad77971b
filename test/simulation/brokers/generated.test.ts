import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, type Broker, type StreamStore } from '@muster/bus';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import fc from 'fast-check';
import { World } from '../world/world.js';
import { connectSimulated } from './connect-simulated.js';
import { NatsServer } from './nats-server.js';

/** What is done to a stream, on both brokers in turn. Subjects and sequences are small, so that they meet. */
type Act =
  | {
      readonly t: 'append';
      readonly to: number;
      readonly expect?: number | undefined;
      readonly id?: number | undefined;
    }
  | { readonly t: 'last' | 'purge'; readonly to: number; readonly before?: number | undefined }
  | { readonly t: 'newest' }
  | { readonly t: 'read'; readonly to?: number | undefined; readonly from: number; readonly newestOnly: boolean };

const small = fc.integer({ min: 0, max: 6 });
const subject = fc.integer({ min: 0, max: 2 });
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const ACT: fc.Arbitrary<Act> = fc.oneof(
  {
    arbitrary: fc.record({ t: fc.constant('append' as const), to: subject, expect: maybe(small), id: maybe(small) }),
    weight: 5,
  },
  fc.record({ t: fc.constant('last' as const), to: subject }),
  fc.record({ t: fc.constant('purge' as const), to: subject, before: maybe(small) }),
  fc.record({ t: fc.constant('newest' as const) }),
  fc.record({
    t: fc.constant('read' as const),
    to: maybe(subject),
    from: fc.integer({ min: 1, max: 8 }),
    newestOnly: fc.boolean(),
  }),
);

/** What a caller sees of it. Times and counts of what is pending are not compared. */
async function run(streams: StreamStore, act: Act, { stream, nth }: { stream: string; nth: number }): Promise<unknown> {
  const of = (to: number): string => `generated.${stream}.${to}`;
  switch (act.t) {
    case 'append': {
      const result = await streams.append(of(act.to), new Uint8Array([nth]), {
        ...(act.expect === undefined ? {} : { expectLastSubjectSeq: act.expect }),
        ...(act.id === undefined ? {} : { msgId: `id-${act.id}` }),
      });
      return result.kind === 'appended' ? result : result.kind;
    }
    case 'last': {
      const entry = await streams.last(stream, of(act.to));
      return entry && [entry.seq, entry.data[0]];
    }
    case 'newest':
      return streams.newestSeq(stream);
    case 'purge':
      return streams.purge(stream, of(act.to), act.before === undefined ? {} : { beforeSeq: act.before });
    case 'read': {
      const options = {
        fromSeq: act.from,
        lastPerSubject: act.newestOnly,
        ...(act.to === undefined ? {} : { subject: of(act.to) }),
      };
      const found: unknown[] = [];
      for await (const { seq, data } of streams.read(stream, options)) found.push([seq, data[0]]);
      return found;
    }
  }
}

describe('sequences of calls that are generated', () => {
  let dataDir: string;
  let server: NatsHandle;
  let real: Broker;
  let isOver = false;
  let simulated: Broker;
  let passing: Promise<void>;
  let count = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-generated-'));
    server = await startNats({ dataDir, logger: silentLogger });
    real = await connectNats({ servers: [server.url], name: 'generated', logger: silentLogger });
    const world = new World(1);
    const broker = connectSimulated(world, world.process('client'), new NatsServer(world));
    simulated = broker;
    passing = (async () => {
      while (!isOver) await world.run(world.nowMs + 1);
    })();
    while (!broker.connection.connected) await new Promise((resolve) => setImmediate(resolve));
  });
  afterAll(async () => {
    isOver = true;
    await passing;
    await real.stop();
    await server.stop();
    await rm(dataDir, { recursive: true });
  });

  it.each([undefined, 1])(
    'have the same results at the simulated broker as at the real one (%s per subject)',
    async (kept) => {
      await fc.assert(
        fc.asyncProperty(fc.array(ACT, { minLength: 1, maxLength: 25 }), async (acts) => {
          const stream = `GENERATED${(count += 1)}`;
          const limit = kept === undefined ? {} : { maxMsgsPerSubject: kept };
          const definition = {
            name: stream,
            subjects: [`generated.${stream}.*`],
            storage: 'memory',
            ...limit,
          } as const;
          for (const { streams } of [real, simulated]) await streams.ensure([definition]);
          for (const [nth, act] of acts.entries()) {
            const [wanted, got] = [
              await run(real.streams, act, { stream, nth }),
              await run(simulated.streams, act, { stream, nth }),
            ];
            expect({ nth, act, result: got }).toEqual({ nth, act, result: wanted });
          }
        }),
        { numRuns: 12, seed: 20, endOnFailure: false },
      );
    },
  );
});
