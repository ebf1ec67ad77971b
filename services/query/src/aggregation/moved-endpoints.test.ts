import { describe, expect, test } from '@jest/globals';
import { answers, endpointsOf, merged, newAggregator, targeted, update } from '../testing/gateway-updates.js';

describe('endpoints that move between gateways', () => {
  test('an answer from a second gateway is held until the first one has settled that endpoint', () => {
    const aggregator = newAggregator('group');
    aggregator.take(targeted('gw-a', 0, [1, 2]), 0);
    aggregator.take(targeted('gw-b', 0, [1, 2], true), 0);
    aggregator.take(update('gw-b', 1, { answers: answers(1, 2) }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 2, answered: 0 });
    aggregator.take(update('gw-a', 1, { ...merged(1), failures: [[2, 'disconnected', 'closed', '']] }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 0, answered: 2, targeted: 2 });
    expect(endpointsOf(aggregator, 'shared')).toBe(1);
    expect(aggregator.truncated).toBeUndefined();
  });

  test('held answers count when the query ends', () => {
    const aggregator = newAggregator('group');
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    aggregator.take(targeted('gw-b', 0, [1], true), 0);
    aggregator.take(update('gw-b', 1, { answers: answers(1) }), 0);
    aggregator.ledger.end('deadline', '');
    expect(aggregator.ledger.snapshot()).toMatchObject({ answered: 1, timed_out: 0, waiting: 0 });
    expect(endpointsOf(aggregator, 'only-1')).toBe(1);
  });

  test('an endpoint that answers after it was listed as missing is recovered', () => {
    const aggregator = newAggregator('raw');
    aggregator.take(targeted('gw-a', 0, [5]), 0);
    aggregator.take(update('gw-a', 1, { failures: [[5, 'disconnected', 'closed', '']] }), 0);
    expect(aggregator.ledger.failures.takeFailures(1_000_000)).toHaveLength(1);
    aggregator.take(targeted('gw-b', 0, [5], true), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1, disconnected: 0 });
    expect(aggregator.ledger.failures.takeRecovered(1_000)).toEqual([]);
    aggregator.take(update('gw-b', 1, { answers: answers(5) }), 0);
    expect(aggregator.ledger.failures.takeRecovered(1_000)).toEqual([5]);
  });

  test('an outcome that the endpoint reported is final', () => {
    const aggregator = newAggregator('raw');
    aggregator.take(targeted('gw-a', 0, [5]), 0);
    aggregator.take(update('gw-a', 1, { failures: [[5, 'over_budget', 'rows', '']] }), 0);
    aggregator.take(targeted('gw-b', 0, [5], true), 0);
    aggregator.take(update('gw-b', 1, { answers: answers(5) }), 0);
    aggregator.take(update('gw-a', 2, { failures: [[5, 'disconnected', 'closed', '']] }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ over_budget: 1, answered: 0, waiting: 0 });
    expect(aggregator.answers.take()).toBeUndefined();
  });

  test('endpoints that two gateways merged from the start count once, and `truncated` says that rows may count twice', () => {
    const aggregator = newAggregator('group');
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    aggregator.take(targeted('gw-b', 0, [1]), 0);
    aggregator.take(update('gw-a', 1, merged(1)), 0);
    aggregator.take(update('gw-b', 1, merged(1)), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 1, answered: 1 });
    expect(aggregator.truncated).toMatch(/1 endpoints answered over two gateways/);
  });
});
