import { describe, expect, test } from '@jest/globals';
import type { GatewayId } from '@muster/protocol';
import type { Failure } from '@muster/records';
import { ContestedEndpoints } from './contested-endpoints.js';

const GATEWAY = 'gw-a' as GatewayId;
const MIB = 1024 * 1024;
const ROWS = Uint8Array.of(1, 2, 3);
const FAILURE: Failure = [1, 'error', 'sql', ''];

describe('contenders', () => {
  test('of one endpoint: the newest, unless the previous one has sent something', () => {
    const contested = new ContestedEndpoints();
    const first = contested.contend(1, 4);
    expect(contested.contend(1, 4)).toBe(first);
    const second = contested.contend(1, 5);
    expect(second).toEqual({ gateway: 5 });
    expect(contested.contender(1)).toBe(second);
    expect(contested.hold(second, ROWS)).toBe(true);
    expect(contested.contend(1, 6)).toBe(second);
    expect(contested.contender(2)).toBeUndefined();
  });

  test('are taken once', () => {
    const contested = new ContestedEndpoints();
    const contender = contested.contend(1, 4);
    expect(contested.take(1)).toBe(contender);
    expect([contested.take(1), contested.contender(1)]).toEqual([undefined, undefined]);
  });

  test('at a dead gateway are dropped when they have sent nothing', () => {
    const contested = new ContestedEndpoints();
    contested.contend(1, 4);
    contested.hold(contested.contend(2, 4), ROWS);
    contested.contend(3, 4).held = { failure: FAILURE };
    contested.contend(4, 5);
    contested.dropEmpty(4);
    expect([1, 2, 3, 4].map((num) => contested.contender(num) !== undefined)).toEqual([false, true, true, true]);
  });

  test('send one answer: a second one, or one after a failure, is not held', () => {
    const contested = new ContestedEndpoints();
    const contender = contested.contend(1, 4);
    expect(contested.hold(contender, ROWS)).toBe(true);
    expect(contested.hold(contender, Uint8Array.of(9))).toBe(false);
    expect(contender.held).toEqual({ rows: ROWS });
    const failed = contested.contend(2, 4);
    failed.held = { failure: FAILURE };
    expect(contested.hold(failed, ROWS)).toBe(false);
    expect(contested.take(2)?.held).toEqual({ failure: FAILURE });
  });
});

describe('early answers', () => {
  test('are held, one of an endpoint, until all are taken', () => {
    const contested = new ContestedEndpoints();
    expect(contested.holdEarly(GATEWAY, 1, ROWS)).toBe(true);
    expect(contested.holdEarly(GATEWAY, 1, Uint8Array.of(9))).toBe(false);
    expect(contested.holdEarly('gw-b' as GatewayId, 2, Uint8Array.of(4))).toBe(true);
    expect(contested.takeEarly()).toEqual([
      [1, { gateway: 'gw-a', rows: ROWS }],
      [2, { gateway: 'gw-b', rows: Uint8Array.of(4) }],
    ]);
    expect(contested.takeEarly()).toEqual([]);
  });
});

describe('held answers', () => {
  test('are copies: the message that brought them is not kept, and may be written over', () => {
    const contested = new ContestedEndpoints();
    const message = new Uint8Array(100).fill(7);
    const contender = contested.contend(1, 4);
    contested.hold(contender, message.subarray(10, 12));
    contested.holdEarly(GATEWAY, 2, message.subarray(20, 23));
    message.fill(0);
    const held = [(contender.held as { rows: Uint8Array }).rows, contested.takeEarly()[0]![1].rows];
    expect(held.map((rows) => [...rows])).toEqual([
      [7, 7],
      [7, 7, 7],
    ]);
    expect(held.map((rows) => rows.buffer.byteLength)).toEqual([2, 3]);
  });

  test('have 64 MiB together, and give back what they took', () => {
    const contested = new ContestedEndpoints();
    const [half, byte] = [new Uint8Array(32 * MIB), new Uint8Array(1)];
    const [one, two, three] = [1, 2, 3].map((num) => contested.contend(num, 4)) as [never, never, never];
    expect(contested.hold(one, half)).toBe(true);
    expect(contested.holdEarly(GATEWAY, 9, half)).toBe(true);
    expect(contested.hold(two, byte)).toBe(false);
    expect(contested.holdEarly(GATEWAY, 8, byte)).toBe(false);
    // What was refused took nothing, and neither does the end of a contender without rows.
    expect(contested.contender(2)?.held).toBeUndefined();
    contested.take(2);
    expect(contested.hold(three, byte)).toBe(false);
    contested.take(1);
    expect(contested.hold(three, half)).toBe(true);
    expect(contested.holdEarly(GATEWAY, 8, byte)).toBe(false);
    expect(contested.takeEarly()).toHaveLength(1);
    expect(contested.holdEarly(GATEWAY, 8, half)).toBe(true);
    expect(contested.holdEarly(GATEWAY, 7, byte)).toBe(false);
  });
});
