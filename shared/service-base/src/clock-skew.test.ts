import { beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import { createMetrics, type Metrics } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { ClockSkew } from './clock-skew.js';

let clock: FakeClock;
let metrics: Metrics;
let skew: ClockSkew;
let beat: (gateway: string, aheadMs: number) => void;

beforeEach(() => {
  clock = new FakeClock();
  metrics = createMetrics('query');
  const { bus } = new MemoryBroker().connect();
  skew = new ClockSkew({ bus, clock, metrics });
  skew.start();
  beat = (gateway, aheadMs) => {
    const heartbeat = { t: 'gateway_beat', gateway: gateway as GatewayId, sessions: 0, draining: false } as const;
    bus.publish(SUBJECTS.gatewayHeartbeats, encodeBusMessage({ ...heartbeat, nowMs: clock.now() + aheadMs }));
  };
});

/** As a scrape shows it, after messages were delivered. */
async function scraped(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve));
  const text = await metrics.registry.metrics();
  return Number(/^muster_query_clock_skew_seconds (\S+)$/m.exec(text)?.[1]);
}

test('the largest difference counts, whether a peer is ahead or behind', async () => {
  expect(await scraped()).toBe(0);
  beat('gw-a', 1_500);
  expect(await scraped()).toBe(1.5);
  beat('gw-b', -4_000);
  expect(await scraped()).toBe(4);
});

test('a heartbeat that comes late does not count while another one was fast', async () => {
  for (let n = 0; n < 5; n += 1) {
    beat('gw-a', n === 2 ? -3_000 : -20);
    await scraped();
    clock.advance(1_500);
  }
  expect(await scraped()).toBe(0.02);
});

test('a clock that was set right is right half a minute later, and one that is gone is forgotten', async () => {
  beat('gw-a', 60_000);
  expect(await scraped()).toBe(60);
  for (let n = 0; n < 24; n += 1) {
    clock.advance(1_500);
    beat('gw-a', -10);
    await scraped();
  }
  expect(await scraped()).toBe(0.01);
  clock.advance(61_000);
  expect(await scraped()).toBe(0);
});
