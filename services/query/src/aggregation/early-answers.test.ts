import { describe, expect, test } from '@jest/globals';
import type { GatewayId } from '@muster/protocol';
import { answers, endpointsOf, merged, newAggregator, targeted, update } from '../testing/gateway-updates.js';

describe('an answer of an endpoint that joined, before every gateway has said whom it asks', () => {
  /** It was asked by gw-a, which has not said so yet, and has answered over gw-b. */
  const early = (form: 'raw' | 'group' = 'group') => {
    const aggregator = newAggregator(form);
    for (const gateway of ['gw-a', 'gw-b'] as GatewayId[]) aggregator.expect(gateway);
    aggregator.take(targeted('gw-b', 0, []), 0);
    aggregator.take(targeted('gw-b', 1, [1], true), 0);
    aggregator.take(update('gw-b', 2, { answers: answers(1) }), 0);
    return aggregator;
  };

  test('is not counted, and is refused when the other gateway has merged it: the endpoint counts once', () => {
    const aggregator = early();
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 1, answered: 0 });
    expect(aggregator.rows).toBe(0);
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 1, answered: 0 });
    aggregator.take(update('gw-a', 1, merged(1)), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 0, answered: 1 });
    expect(endpointsOf(aggregator, 'only-1')).toBe(1);
    expect(aggregator.truncated).toBeUndefined();
  });

  test('counts when the other gateway gives the endpoint up', () => {
    const aggregator = early();
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    aggregator.take(update('gw-a', 1, { failures: [[1, 'disconnected', 'closed', '']] }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 0, answered: 1 });
    expect(endpointsOf(aggregator, 'only-1')).toBe(1);
  });

  test('counts when the other gateway did not ask that endpoint', () => {
    const aggregator = early();
    aggregator.take(targeted('gw-a', 0, [2]), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 2, waiting: 1, answered: 1 });
    expect(endpointsOf(aggregator, 'only-1')).toBe(1);
  });

  test('counts when the other gateway is dead, or the query ends', () => {
    const dead = early();
    dead.gatewayDied('gw-a' as GatewayId);
    const ended = early();
    ended.ledger.end('deadline', '');
    for (const aggregator of [dead, ended]) {
      expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 0, answered: 1 });
      expect(endpointsOf(aggregator, 'only-1')).toBe(1);
    }
  });

  test('counts at once in raw form, where every answer names its endpoint', () => {
    const aggregator = early('raw');
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 0, answered: 1 });
    expect(aggregator.rows).toBe(2);
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    aggregator.take(update('gw-a', 1, { answers: answers(1) }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, waiting: 0, answered: 1 });
    expect(aggregator.rows).toBe(2);
  });
});
