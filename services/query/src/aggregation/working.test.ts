import { expect, test } from '@jest/globals';
import type { GatewayId } from '@muster/protocol';
import { FlushScheduler } from '../coordinator/flush-scheduler.js';
import { nextResultEvent } from '../coordinator/next-result-event.js';
import { encodeNumberSet } from '@muster/records';
import { systemClock } from '@muster/runtime';
import { newAggregator, targeted, update } from '../testing/gateway-updates.js';

const says = (endpoints: number, paused: number, looked: number) => ({ working: { endpoints, paused, looked } });

test('who works is added up over gateways, and is never more than are waited for', () => {
  const aggregator = newAggregator('group');
  aggregator.take(targeted('gw-a', 0, [1, 2, 3]), 0);
  aggregator.take(targeted('gw-b', 0, [4]), 0);
  expect(aggregator.working).toBeUndefined();
  aggregator.take(update('gw-a', 1, says(2, 1, 500)), 0);
  aggregator.take(update('gw-b', 1, says(1, 0, 70)), 0);
  expect(aggregator.working).toEqual({ endpoints: 3, paused: 1, looked: 570 });
  // An update without it changes nothing: the gateway is of the version before, or it is not its last part.
  aggregator.take(update('gw-b', 2, {}), 0);
  expect(aggregator.working).toEqual({ endpoints: 3, paused: 1, looked: 570 });
  aggregator.take(update('gw-a', 2, { ...says(1, 1, 300), empty: encodeNumberSet([1, 2]) }), 0);
  expect(aggregator.working).toEqual({ endpoints: 2, paused: 1, looked: 370 });
  // A lie, or a word that was overtaken.
  aggregator.take(update('gw-a', 3, says(900, 900, 1)), 0);
  expect(aggregator.working).toEqual({ endpoints: 2, paused: 1, looked: 71 });
  aggregator.gatewayDied('gw-b' as GatewayId);
  expect(aggregator.working).toMatchObject({ endpoints: 1 });
  aggregator.take(update('gw-a', 4, { empty: encodeNumberSet([3]) }), 0);
  expect(aggregator.working).toBeUndefined();
});

test('the next progress of the result stream has it', () => {
  const aggregator = newAggregator('raw');
  aggregator.take(targeted('gw-a', 0, [1]), 0);
  aggregator.take(update('gw-a', 1, says(1, 0, 9)), 0);
  const scheduler = new FlushScheduler(systemClock, () => undefined);
  scheduler.flushNow();
  const event = nextResultEvent(aggregator, scheduler, { eventBytes: 100_000, elapsedMs: 1 });
  scheduler.stop();
  expect(event).toMatchObject({ t: 'progress', ledger: { targeted: 1, waiting: 1 }, ...says(1, 0, 9) });
});
