import { expect, test } from '@jest/globals';
import { createMetrics } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { BrokerLatency } from './broker-latency.js';

test('asks every five seconds, measures the answer, and counts what stays without one', async () => {
  const clock = new FakeClock();
  const metrics = createMetrics('query');
  let isAnswered = true;
  const bus = {
    flush: (): Promise<boolean> => {
      clock.advance(20);
      return Promise.resolve(isAnswered);
    },
  };
  const latency = new BrokerLatency({ bus, clock, metrics });
  latency.start();
  await clock.advanceAsync(10_100);
  isAnswered = false;
  await clock.advanceAsync(5_000);
  const text = await metrics.registry.metrics();
  expect(text).toMatch(/^muster_query_broker_round_trip_seconds_count 3$/m);
  expect(text).toMatch(/^muster_query_broker_round_trip_seconds_bucket\{le="0.01"\} 0$/m);
  expect(text).toMatch(/^muster_query_broker_round_trip_seconds_bucket\{le="0.025"\} 3$/m);
  expect(text).toMatch(/^muster_query_broker_unanswered_total 1$/m);
  latency.stop();
  expect(clock.pendingTimers).toBe(0);
});
