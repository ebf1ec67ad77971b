import { expect, it } from '@jest/globals';
import type { AgentId, OrgId } from '@muster/protocol';
import { fakeSession } from '../../testing/fake-session.js';
import { PendingHandshakes } from './pending-handshakes.js';
import { SessionTable } from './session-table.js';
import { Session } from './session.js';

let count = 0;

function pending(agentId: string, address: string, deadlineMs = 10_000): Session {
  const { connection } = fakeSession((count += 1)).session;
  const challenge = {
    ...{ nonce: new Uint8Array(32), token: '', publicKey: '', factsDigest: '', bytes: 0 },
    ...{ tokenIssuedAtMs: 0, tokenExpiresAtMs: 0, deadlineMs },
  };
  const context = { org: 'acme' as OrgId, agentId: agentId as AgentId, num: 1, mode: 'live', challenge } as const;
  return new Session(context, { ...connection, address }, 0);
}

/** Adds one, and removes what it displaces as the session manager does. */
function open(handshakes: PendingHandshakes, session: Session): Session | undefined {
  handshakes.add(session);
  const displaced = handshakes.displacedBy(session);
  if (displaced !== undefined) handshakes.delete(displaced);
  return displaced;
}

it('the newest connection of an agent takes the place of the oldest from its address', () => {
  const handshakes = new PendingHandshakes();
  const first = Array.from({ length: 16 }, () => pending('a', '192.0.2.1'));
  expect(first.map((session) => open(handshakes, session))).toEqual(first.map(() => undefined));
  expect(open(handshakes, pending('a', '192.0.2.1'))).toBe(first[0]);
  expect(open(handshakes, pending('b', '192.0.2.1'))).toBeUndefined();
});

it('whoever holds connections elsewhere displaces none of an address that holds few', () => {
  const handshakes = new PendingHandshakes();
  const owner = pending('a', '198.51.100.7');
  open(handshakes, owner);
  const displaced = [2, 3, 4, 5].flatMap((last) =>
    Array.from({ length: 40 }, () => open(handshakes, pending('a', `192.0.2.${last}`))),
  );
  expect(displaced.filter((one) => one !== undefined)).toHaveLength(160 - 47);
  expect(displaced).not.toContain(owner);
});

it('addresses of one /64 count as one', () => {
  const handshakes = new PendingHandshakes();
  const first = pending('a', '2001:db8::1');
  open(handshakes, first);
  const displaced = Array.from({ length: 16 }, (_, i) => open(handshakes, pending('a', `2001:db8::1:${i + 1}`)));
  expect(displaced.at(-1)).toBe(first);
});

it('a full gateway gives the place of the oldest connection that has proven nothing, once it had time for it', () => {
  const table = new SessionTable(2);
  const [one, two, three] = [pending('a', '192.0.2.1'), pending('b', '192.0.2.1'), pending('c', '192.0.2.1')];
  expect([table.add(one), table.add(two)]).toEqual([[], []]);
  expect([table.hasRoom(0), table.hasRoom(1_999), table.hasRoom(2_000)]).toEqual([false, false, true]);
  expect(table.add(three)).toEqual([one]);
});

it('a full gateway of proven sessions has no room', () => {
  const table = new SessionTable(1);
  const one = pending('a', '192.0.2.1');
  table.add(one);
  table.pending.delete(one);
  expect(table.hasRoom(60_000)).toBe(false);
});

it('a table ends what an agent displaces, and never the connection that has just come', () => {
  const table = new SessionTable();
  const all = Array.from({ length: 17 }, () => pending('a', '192.0.2.1'));
  expect(all.map((session) => table.add(session))).toEqual([...Array.from({ length: 16 }, () => []), [all[0]]]);
  const full = new SessionTable(1);
  const proven = pending('a', '192.0.2.1');
  full.add(proven);
  full.pending.delete(proven);
  expect(full.add(pending('b', '192.0.2.1'))).toEqual([]);
});
