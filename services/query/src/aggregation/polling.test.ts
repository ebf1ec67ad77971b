import { describe, expect, test } from '@jest/globals';
import type { GatewayId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import { answers, merged, newAggregator, targeted, update } from '../testing/gateway-updates.js';

const FORMS = ['raw', 'group'] as const;

describe('polling endpoints', () => {
  const polled = (gateway: string, seq: number, asked: { live?: number[]; poll: number[]; withinMs: number }) => {
    const { live = [], poll, withinMs } = asked;
    const polls = { nums: encodeNumberSet(poll), withinMs };
    return Object.assign(targeted(gateway, seq, [...live, ...poll], seq > 0), { polls });
  };

  test('are counted while they wait, with the time when the last of them is due', () => {
    const aggregator = newAggregator('group');
    aggregator.take(polled('gw-a', 0, { live: [1], poll: [2, 3], withinMs: 60_000 }), 1_000);
    expect(aggregator.ledger.polling).toEqual({ waiting: 2, answerByMs: 61_000 });
    aggregator.take(polled('gw-b', 0, { poll: [4], withinMs: 90_000 }), 2_000);
    expect(aggregator.ledger.polling).toEqual({ waiting: 3, answerByMs: 92_000 });
    aggregator.take(update('gw-b', 1, merged(4)), 3_000);
    expect(aggregator.ledger.polling).toEqual({ waiting: 2, answerByMs: 61_000 });
    aggregator.take(update('gw-a', 1, { empty: encodeNumberSet([2, 3]) }), 4_000);
    expect(aggregator.ledger.polling).toBeUndefined();
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 4, waiting: 1, answered: 1, empty: 2 });
    aggregator.take(polled('gw-a', 2, { poll: [5], withinMs: 10_000 }), 5_000);
    expect(aggregator.ledger.polling).toEqual({ waiting: 1, answerByMs: 15_000 });
  });

  test('are not waited for when their gateway is dead', () => {
    const aggregator = newAggregator('group');
    aggregator.take(polled('gw-a', 0, { poll: [1], withinMs: 60_000 }), 0);
    aggregator.gatewayDied('gw-a' as GatewayId);
    expect(aggregator.ledger.polling).toBeUndefined();
  });

  test.each(FORMS)('that change to Live, or back, count as their newer session does: %s', (form) => {
    const aggregator = newAggregator(form);
    aggregator.take(polled('gw-a', 0, { live: [1], poll: [2], withinMs: 60_000 }), 0);
    // On the same gateway, then on another that the first one does not know of.
    aggregator.take(targeted('gw-a', 1, [2], true), 0);
    expect(aggregator.ledger.polling).toBeUndefined();
    aggregator.take(polled('gw-a', 2, { poll: [1], withinMs: 30_000 }), 0);
    expect(aggregator.ledger.polling).toEqual({ waiting: 1, answerByMs: 30_000 });
    aggregator.take(targeted('gw-b', 0, [1], true), 0);
    expect(aggregator.ledger.polling).toBeUndefined();
    aggregator.take(polled('gw-b', 1, { poll: [2], withinMs: 45_000 }), 0);
    expect(aggregator.ledger.polling).toEqual({ waiting: 1, answerByMs: 45_000 });
    aggregator.take(update('gw-a', 3, { failures: [[2, 'disconnected', 'closed', '']] }), 0);
    expect(aggregator.ledger.polling).toEqual({ waiting: 1, answerByMs: 45_000 });
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 2, waiting: 2 });
    aggregator.take(update('gw-b', 2, { answers: answers(2) }), 0);
    expect(aggregator.ledger.polling).toBeUndefined();
    expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1, answered: 1 });
  });

  test.each(FORMS)('keep the mode of their join when an older first update arrives late: %s', (form) => {
    const aggregator = newAggregator(form);
    aggregator.take(Object.assign(polled('gw-b', 0, { poll: [1], withinMs: 45_000 }), { joined: true }), 0);
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    expect(aggregator.ledger.polling).toEqual({ waiting: 1, answerByMs: 45_000 });
  });
});
