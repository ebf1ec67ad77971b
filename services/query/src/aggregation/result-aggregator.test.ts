import { describe, expect, test } from '@jest/globals';
import { ByteWriter, encodeCbor, type GatewayId } from '@muster/protocol';
import { AnswerBlockWriter, encodeNumberSet, readAnswerBlock } from '@muster/records';
import { answers, endpointsOf, merged, newAggregator, rowsOf, targeted, update } from '../testing/gateway-updates.js';

describe('result aggregator', () => {
  test('is settled when every expected gateway has sent an empty first update', () => {
    const aggregator = newAggregator('group');
    aggregator.expect('gw-a' as GatewayId);
    aggregator.expect('gw-b' as GatewayId);
    aggregator.take(targeted('gw-a', 0, []), 0);
    expect(aggregator.settled).toBe(false);
    aggregator.take(targeted('gw-b', 0, []), 0);
    expect(aggregator.settled).toBe(true);
    expect(aggregator.ledger.snapshot().targeted).toBe(0);
  });

  test('a dead gateway is not waited for, until it is heard again', () => {
    const aggregator = newAggregator('group');
    aggregator.expect('gw-a' as GatewayId);
    aggregator.take(targeted('gw-a', 0, [1, 2, 3]), 0);
    aggregator.take(update('gw-a', 1, merged(1)), 0);
    expect(aggregator.gatewayDied('gw-a' as GatewayId)).toBe(2);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 3, answered: 1, unreachable: 2, waiting: 0 });
    expect(aggregator.settled).toBe(true);
    expect(aggregator.take(update('gw-a', 2, merged(2)), 0)).toBe('applied');
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 3, answered: 2, unreachable: 0, waiting: 1 });
    aggregator.take(update('gw-a', 3, merged(3)), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 3, answered: 3 });
  });

  test('what a gateway that was taken for dead merged does not count twice when an endpoint has answered elsewhere', () => {
    const aggregator = newAggregator('group');
    const [a, b] = ['gw-a', 'gw-b'] as [GatewayId, GatewayId];
    aggregator.expect(a);
    aggregator.expect(b);
    aggregator.take(targeted(a, 0, [1, 2]), 0);
    aggregator.take(targeted(b, 0, []), 0);
    aggregator.gatewayDied(a);
    aggregator.take(targeted(b, 1, [1], true), 0);
    aggregator.take(update(b, 2, { answers: answers(1) }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ answered: 1, unreachable: 1 });
    aggregator.take(update(a, 1, merged(1, 2)), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 2, answered: 1, timed_out: 1 });
    expect([endpointsOf(aggregator, 'only-1'), aggregator.rows]).toEqual([1, 2]);
    expect(aggregator.truncated).toBeUndefined();
  });

  test('endpoints of gateways that do not speak are unreachable until they join, and it is told when nobody knows them', () => {
    const aggregator = newAggregator('group');
    aggregator.expect('gw-a' as GatewayId);
    aggregator.take(targeted('gw-a', 0, [1]), 0);
    aggregator.addLost({ nums: [1, 2, 3], isComplete: true });
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 3, waiting: 1, unreachable: 2 });
    expect(aggregator.ledger.failures.takeFailures(1_000_000).map((failure) => failure.slice(0, 3))).toEqual([
      [2, 'unreachable', 'gateway_lost'],
      [3, 'unreachable', 'gateway_lost'],
    ]);
    aggregator.take(targeted('gw-a', 1, [2], true), 0);
    aggregator.take(update('gw-a', 2, { answers: answers(2) }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 3, waiting: 1, answered: 1, unreachable: 1 });
    expect(aggregator.truncated).toBeUndefined();
    aggregator.addLost({ nums: [4], isComplete: false });
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 4, unreachable: 2 });
    expect(aggregator.truncated).toBe(
      'gateways do not say whom they ask, and the registry does not say whom they hold',
    );
  });

  test('a gateway whose endpoints have all just moved to it is waited for', () => {
    const aggregator = newAggregator('group');
    aggregator.expect('gw-a' as GatewayId);
    aggregator.take(Object.assign(targeted('gw-a', 0, []), { moved: encodeNumberSet([1, 2]) }), 0);
    expect(aggregator.settled).toBe(false);
    aggregator.take(update('gw-a', 1, { answers: answers(1, 2) }), 0);
    expect(aggregator.settled).toBe(true);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 2, answered: 2 });
  });

  test('endpoints whose update was lost time out when their gateway has settled', () => {
    const aggregator = newAggregator('group');
    aggregator.take(targeted('gw-a', 0, [1, 2]), 0);
    aggregator.take(update('gw-a', 2, { settled: true }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ timed_out: 2, waiting: 0 });
    expect(aggregator.ledger.failures.takeFailures(1_000_000)[0]?.[2]).toBe('report_lost');
    expect(aggregator.truncated).toMatch(/1 reports of gateways were lost/);
  });

  test('a gateway that speaks, but whose word on whom it asks was lost, is waited for until it has settled', () => {
    const aggregator = newAggregator('raw');
    const gateway = 'gw-a' as GatewayId;
    aggregator.expect(gateway);
    aggregator.take(update(gateway, 2, { answers: answers(3) }), 0);
    expect([aggregator.settled, aggregator.speaks(gateway)]).toEqual([false, false]);
    aggregator.take(targeted(gateway, 3, [4], true), 0);
    aggregator.take(update(gateway, 4, { answers: answers(4) }), 0);
    expect([aggregator.settled, aggregator.speaks(gateway)]).toEqual([false, false]);
    aggregator.take(update(gateway, 5, { settled: true }), 0);
    // Whom it asked besides is looked for elsewhere: it still does not say.
    expect([aggregator.settled, aggregator.speaks(gateway)]).toEqual([true, false]);
  });

  test('bytes that are no rows of the query are an error of their endpoint', () => {
    const aggregator = newAggregator('raw');
    aggregator.take(targeted('gw-a', 0, [1, 2]), 0);
    const writer = new AnswerBlockWriter();
    writer.add(1, encodeCbor(['too', 'many', 'columns']));
    writer.add(2, rowsOf(2));
    aggregator.take(update('gw-a', 1, { answers: writer.bytes() }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ error: 1, answered: 1 });
    expect([...readAnswerBlock(aggregator.answers.take()!.block)].map((answer) => answer.num)).toEqual([2]);
  });

  test('answers beyond the queue limit are dropped, and `truncated` says so', () => {
    const aggregator = newAggregator('raw', { maxQueuedBytes: 50 });
    aggregator.take(targeted('gw-a', 0, [1, 2, 4]), 0);
    for (const [i, num] of [1, 2, 4].entries()) aggregator.take(update('gw-a', 1 + i, { answers: answers(num) }), 0);
    expect(aggregator.ledger.snapshot().answered).toBe(3);
    expect(aggregator.truncated).toMatch(/the rows of 1 endpoints were not kept/);
  });
});

describe('numbers that no endpoint has', () => {
  test.each(['raw', 'group'] as const)('are left out of everything that a gateway says, and counted (%s)', (form) => {
    let highest = 10;
    const aggregator = newAggregator(form, { highestNum: () => highest });
    const content = form === 'raw' ? { answers: answers(1, 11, 2) } : merged(1, 2, 11);
    aggregator.take(targeted('gw-a', 0, [1, 2, 3, 4, 5, 11, 2 ** 40]), 0);
    aggregator.take(update('gw-a', 1, content), 0);
    aggregator.take(update('gw-a', 2, { empty: encodeNumberSet([3, 12]) }), 0);
    const failures = [4, 13, -1, 1.5, Number.NaN].map((num) => [num, 'error', 'code', '']);
    aggregator.take(update('gw-a', 3, { failures }), 0);
    const warnings = [1, 14, 2 ** 50, 0.5].map((num) => [num, 'cut', 1, '']);
    aggregator.take(update('gw-a', 4, { warnings }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 5, answered: 2, empty: 1, error: 1, waiting: 1 });
    expect([aggregator.refusedNumbers, aggregator.warnings.endpoints]).toEqual([2 + 1 + 1 + 4 + 3, 1]);
    highest = 11;
    aggregator.take(update('gw-a', 5, { t: 'targeted', joined: true, targets: encodeNumberSet([11, 12]) }), 0);
    aggregator.take(update('gw-a', 6, { answers: answers(11, 12) }), 0);
    expect(aggregator.ledger.snapshot()).toMatchObject({ targeted: 6, answered: 3 });
  });

  test('take no memory, however they are written', () => {
    const far = encodeNumberSet(Array.from({ length: 200_000 }, (_, i) => 100_000 + i * 4_096));
    const run = new ByteWriter();
    run.varint(100_000);
    run.varint(9_000_000);
    const aggregator = newAggregator('raw', { highestNum: () => 10_000 });
    const before = process.memoryUsage();
    for (const [seq, targets] of [far, run.view(), far].entries())
      aggregator.take(update('gw-a', seq, { t: 'targeted', joined: seq > 0, targets }), 0);
    const after = process.memoryUsage();
    expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(20_000_000);
    expect(aggregator.ledger.targeted).toBe(0);
  });
});
