import { expect, it } from '@jest/globals';
import type { HeldSessions } from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import { fakeSession } from '../../testing/fake-session.js';
import { Hub } from '../hub/hub.js';
import { HeldAnnouncer } from './held-announcer.js';

const [ONE, OTHER] = ['gw-1', 'gw-2'] as [GatewayId, GatewayId];

function setUp() {
  const hub = new Hub();
  const announcer = new HeldAnnouncer({ hub });
  const next = (id = ONE) => {
    const { beat, held } = announcer.next(id);
    return [beat, held === undefined ? undefined : textOf(held)];
  };
  return { hub, announcer, next };
}

function textOf({ whole, ...sets }: HeldSessions): string {
  const texts = Object.entries(sets).map(([name, set]) => `${name} ${decodeNumberSet(set as Uint8Array).join()}`);
  return [whole ? 'all' : 'changes', ...texts.filter((text) => !text.endsWith(' '))].join(': ');
}

it('the first heartbeat says all that is held, the next ones what has changed', () => {
  const { hub, announcer, next } = setUp();
  const [one, two] = [fakeSession(1).session, fakeSession(2, { mode: 'poll' }).session];
  hub.add(one);
  hub.add(two);
  expect(next()).toEqual([0, 'all: live 1: poll 2']);
  expect(announcer.isDue).toBe(false);
  expect(next()).toEqual([1, undefined]);
  hub.remove(one);
  hub.add(fakeSession(3).session);
  expect(announcer.isDue).toBe(true);
  expect(next()).toEqual([2, 'changes: live 3: ended 1']);
  // It is back within one heartbeat, over the other channel.
  hub.remove(two);
  hub.add(fakeSession(2).session);
  expect(next()).toEqual([3, 'changes: live 2']);
  expect(next()).toEqual([4, undefined]);
});

it('says all again when somebody may have missed something, and under a new id', () => {
  const { hub, announcer, next } = setUp();
  hub.add(fakeSession(1).session);
  next();
  announcer.requestAll();
  announcer.requestAll();
  expect(announcer.isDue).toBe(true);
  expect(next()).toEqual([1, 'all: live 1']);
  hub.add(fakeSession(2).session);
  expect(next(OTHER)).toEqual([0, 'all: live 1,2']);
  expect(next(OTHER)).toEqual([1, undefined]);
});
