import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startBrokers, type TestBrokers } from '@muster/testkit';
import { FAST_FORWARD, runBandwidth, type BandwidthFigures } from '../load/bench-bandwidth/run-bandwidth.js';
import { summarize, type BandwidthSummary } from '../load/bench-bandwidth/summary.js';

/** A small run of `npm run bench:bandwidth`, but for the samples in fast-forward. */

const WORKLOAD = { freshnessMs: 10_000, queries: 2, commands: 1 };
/** Less than a round of a live agent: its ping, the pong, and a heartbeat of the gateway. */
const IDLE_MS = 6_000;

let brokers: TestBrokers;
let folder: string;
let figures: BandwidthFigures;
let summary: BandwidthSummary;

beforeAll(async () => {
  brokers = await startBrokers();
  folder = await mkdtemp(join(tmpdir(), 'muster-bandwidth-'));
  figures = await runBandwidth({
    natsUrl: brokers.nats.url,
    redisUrl: brokers.redis.url,
    folder,
    freshnessMs: WORKLOAD.freshnessMs,
    agents: (['live', 'poll'] as const).flatMap((channel) => {
      const { queries, commands } = WORKLOAD;
      const one = { name: channel, channel };
      return [
        { ...one, fastForward: FAST_FORWARD, workload: { samples: 0, queries, commands, idleMs: IDLE_MS } },
        { ...one, fastForward: 1, workload: { samples: 2, queries: 0, commands: 0, idleMs: 0 } },
      ];
    }),
  });
  summary = summarize(figures, WORKLOAD);
});
afterAll(async () => {
  await brokers.stop();
  await rm(folder, { recursive: true, force: true });
});

test('an agent’s own count equals the relay’s count, to the byte', () => {
  expect(summary.variants.map(({ name, own }) => [name, own.bytes > 0, own.off])).toEqual([
    ['live', true, 0],
    ['poll', true, 0],
  ]);
});

test('the gateways’ socket counts equal it within one per cent', () => {
  const { gateways, relays } = figures.counts;
  if (gateways.measured !== 'sockets') return;
  for (const direction of ['up', 'down'] as const) {
    expect(Math.abs(gateways[direction] / relays[direction] - 1)).toBeLessThan(0.01);
  }
});

test('an idle live endpoint costs 100 bytes a minute at most', () => {
  const live = summary.variants.find(({ channel }) => channel === 'live');
  expect(live?.idlePerMinute.fast).toBeLessThanOrEqual(100);
  // A round of heartbeats on the existing connection.
  expect(live?.connectionsPerBeat.fast).toBe(0);
});

test('Live takes at most a tenth of the bytes of Poll when answers are needed within ten seconds', () => {
  expect(summary.share.idle).toBeLessThanOrEqual(0.1);
  expect(summary.share.workload).toBeLessThanOrEqual(0.1);
  // A run as short as this keeps its connections, so that a sample over Poll is as cheap as it can be.
  expect(summary.targets.filter(({ met, name }) => !met && !name.includes('of a sample'))).toEqual([]);
});

test('Live takes less than two thirds of Poll on a kept connection when an endpoint is sampled all the time', () => {
  expect(summary.share.watched).toBeLessThan(2 / 3);
});
