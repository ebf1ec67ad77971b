import { expect, test } from '@jest/globals';
import type { GatewayHeartbeat, GatewayRequest } from '@muster/messages';
import { decodeBusMessage, SUBJECTS } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { HeldSessions } from './held-sessions.js';

/** No endpoint has a higher number. */
const HIGHEST = 1_000;
const [A, B] = ['gw-a', 'gw-b'] as [GatewayId, GatewayId];

interface Said {
  readonly whole?: boolean;
  readonly live?: readonly number[];
  readonly poll?: readonly number[];
  readonly ended?: readonly number[];
}

function setUp() {
  const clock = new FakeClock();
  const asked: string[] = [];
  const publish = (subject: string, data: Uint8Array) => {
    expect(decodeBusMessage<GatewayRequest>(data, 'send_held')).toEqual({ t: 'send_held' });
    asked.push(subject);
    return 'sent' as const;
  };
  const held = new HeldSessions({ bus: { publish }, clock, logger: silentLogger, highestNum: () => HIGHEST });
  const heard = (gateway: GatewayId, beat: number | undefined, said?: Said): void => {
    const { whole = false, live = [], poll = [], ended = [] } = said ?? {};
    const sets = { live: encodeNumberSet(live), poll: encodeNumberSet(poll), ended: encodeNumberSet(ended) };
    held.heard({
      ...{ t: 'gateway_beat', gateway, sessions: 0, draining: false, nowMs: 0 },
      ...(beat === undefined ? {} : { beat }),
      ...(said === undefined ? {} : { held: { whole, ...sets } }),
    } satisfies GatewayHeartbeat);
  };
  /** Of everybody, as of a moment ago: heartbeats have come since. */
  const knows = (gateway: GatewayId) => held.knows(gateway, clock.monotonic() - 1_000);
  const of = (gateway: GatewayId) => [...held.heldBy(gateway)].toSorted(([a], [b]) => a - b);
  return { clock, asked, held, heard, knows, of };
}

test('heartbeats say whom a gateway holds, first all and then what changes', () => {
  const { held, heard, knows, of, asked } = setUp();
  expect([knows(A), of(A)]).toEqual([false, []]);
  heard(A, 0, { whole: true, live: [1, 2], poll: [3] });
  heard(A, 1);
  heard(A, 2, { live: [3, 4], ended: [1] });
  expect(of(A)).toEqual([
    [2, 'live'],
    [3, 'live'],
    [4, 'live'],
  ]);
  heard(A, 3, { whole: true, live: [9] });
  expect(of(A)).toEqual([[9, 'live']]);
  expect([knows(A), asked]).toEqual([true, []]);
  held.forget(A);
  expect([knows(A), of(A)]).toEqual([false, []]);
});

test('who missed a heartbeat, or comes later, asks for all at each one until it has it', () => {
  const { heard, knows, of, asked } = setUp();
  heard(B, 7, { live: [5] });
  expect([knows(B), of(B), asked]).toEqual([false, [[5, 'live']], [SUBJECTS.gateway(B)]]);
  heard(B, 8, { whole: true, live: [5, 6] });
  expect([knows(B), asked.length]).toEqual([true, 1]);
  heard(B, 10, { ended: [5] });
  heard(B, 11);
  expect([knows(B), of(B), asked.length]).toEqual([false, [[6, 'live']], 3]);
  heard(B, 12, { whole: true, live: [6] });
  expect([knows(B), asked.length]).toEqual([true, 3]);
});

test('of a time at which a gateway was silent, or just before, it is not known of everybody whom it held', () => {
  const { clock, held, heard } = setUp();
  clock.advance(5_000);
  heard(A, 0, { whole: true, live: [1] });
  const saidMs = clock.monotonic();
  expect([saidMs - 1_000, saidMs - 999, saidMs, saidMs + 60_000].map((atMs) => held.knows(A, atMs))).toEqual([
    true,
    false,
    false,
    false,
  ]);
  clock.advance(1_500);
  heard(A, 1);
  expect(held.knows(A, saidMs)).toBe(true);
});

test('of a gateway of a former version nothing is known', () => {
  const { heard, knows, asked } = setUp();
  heard(A, undefined);
  expect([knows(A), asked]).toEqual([false, []]);
});

test('a set that cannot be read is as good as missed', () => {
  const { held, knows, asked } = setUp();
  const broken = Uint8Array.of(0xff);
  const message = { t: 'gateway_beat', gateway: A, sessions: 0, draining: false, nowMs: 0, beat: 0 } as const;
  held.heard({ ...message, held: { whole: true, live: broken, poll: broken, ended: broken } });
  expect([knows(A), asked]).toEqual([false, [SUBJECTS.gateway(A)]]);
});

test('who has come to another gateway is not held by a silent one; one that is heard says itself who has left', () => {
  const { clock, heard, of } = setUp();
  heard(A, 0, { whole: true, live: [1, 2] });
  heard(B, 0, { whole: true });
  heard(B, 1, { live: [1] });
  expect(of(A).map(([num]) => num)).toEqual([1, 2]);
  clock.advance(4_000);
  heard(B, 2, { live: [2] });
  expect(of(A).map(([num]) => num)).toEqual([1]);
  // All that a gateway holds may be older than what another has said since.
  heard(B, 3, { whole: true, live: [1, 2] });
  expect(of(A).map(([num]) => num)).toEqual([1]);
});

test('numbers that no endpoint has take no memory, and whom such a gateway holds is not known', () => {
  const { heard, knows, of, asked } = setUp();
  heard(A, 1, { whole: true, live: [1, 2] });
  expect(knows(A)).toBe(true);
  asked.length = 0;
  heard(A, 2, {
    whole: true,
    live: [1, HIGHEST, HIGHEST + 1],
    poll: Array.from({ length: 5_000 }, (_, i) => HIGHEST + 2 + i),
  });
  expect([knows(A), of(A), asked]).toEqual([
    false,
    [
      [1, 'live'],
      [HIGHEST, 'live'],
    ],
    [SUBJECTS.gateway(A)],
  ]);
});
