import { describe, expect, test } from '@jest/globals';
import type { GatewayId } from '@muster/protocol';
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

  test('an endpoint that was listed as missing is recovered when it is asked again', () => {
    const aggregator = newAggregator('raw');
    aggregator.take(targeted('gw-a', 0, [5]), 0);
    aggregator.take(update('gw-a', 1, { failures: [[5, 'disconnected', 'closed', '']] }), 0);
    expect(aggregator.ledger.failures.takeFailures(1_000_000)).toHaveLength(1);
    aggregator.take(targeted('gw-b', 0, [5], true), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1, disconnected: 0 });
    expect(aggregator.ledger.failures.takeRecovered(1_000)).toEqual([5]);
    aggregator.take(update('gw-b', 1, { answers: answers(5) }), 0);
    expect(aggregator.ledger.failures.takeRecovered(1_000)).toEqual([]);
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

  describe.each(['raw', 'group'] as const)('whose former gateway speaks first (%s form)', (form) => {
    const MOVED = [5, 'disconnected', 'moved', ''] as const;

    test('go on waiting, so that the query does not end without them, and their answer counts once', () => {
      const aggregator = newAggregator(form);
      aggregator.take(targeted('gw-a', 0, [5]), 0);
      aggregator.take(targeted('gw-b', 0, []), 0);
      aggregator.take(update('gw-a', 1, { failures: [MOVED], settled: true }), 0);
      expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1, disconnected: 0, targeted: 1 });
      expect(aggregator.settled).toBe(false);
      // The former gateway has gone: what it handed over is not lost with it.
      aggregator.gatewayDied('gw-a' as GatewayId);
      expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1, unreachable: 0 });
      aggregator.take(targeted('gw-b', 1, [5], true), 0);
      aggregator.take(update('gw-b', 2, { answers: answers(5) }), 0);
      expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 0, answered: 1, targeted: 1 });
      expect(aggregator.settled).toBe(true);
      expect(aggregator.ledger.failures.takeFailures(1_000_000)).toEqual([]);
      expect(aggregator.truncated).toBeUndefined();
    });

    test('are disconnected when no gateway asks them within a few seconds', () => {
      const aggregator = newAggregator(form);
      aggregator.take(targeted('gw-a', 0, [5]), 0);
      aggregator.take(update('gw-a', 1, { failures: [MOVED] }), 0);
      for (let nowMs = 0; nowMs < 5_000; nowMs += 250) aggregator.ledger.expireMoves(nowMs);
      expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1 });
      aggregator.ledger.expireMoves(5_000);
      expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 0, disconnected: 1 });
      const [failure] = aggregator.ledger.failures.takeFailures(1_000_000);
      expect(failure?.slice(0, 3)).toEqual([5, 'disconnected', 'disconnected']);
    });

    test('are not disconnected by a wait that their next gateway has ended', () => {
      const aggregator = newAggregator(form);
      aggregator.take(targeted('gw-a', 0, [5]), 0);
      aggregator.take(update('gw-a', 1, { failures: [MOVED] }), 0);
      aggregator.ledger.expireMoves(0);
      aggregator.take(targeted('gw-b', 0, [5], true), 0);
      aggregator.ledger.expireMoves(60_000);
      expect(aggregator.ledger.snapshot()).toMatchObject({ waiting: 1 });
      aggregator.take(update('gw-b', 1, { failures: [[5, 'error', 'sql_error', '']] }), 0);
      expect(aggregator.ledger.snapshot()).toMatchObject({ error: 1, waiting: 0 });
    });

    test('time out at the end of the query like others', () => {
      const aggregator = newAggregator(form);
      aggregator.take(targeted('gw-a', 0, [5]), 0);
      aggregator.take(update('gw-a', 1, { failures: [MOVED] }), 0);
      aggregator.ledger.end('deadline', '');
      expect(aggregator.ledger.snapshot()).toMatchObject({ timed_out: 1, waiting: 0, targeted: 1 });
    });
  });
});
