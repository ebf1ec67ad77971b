import { describe, expect, test } from '@jest/globals';
import { AddressRanking } from './address-ranking.js';
import { ConnectionTable, type ConnectionBounds, type TrackedConnection } from './connection-table.js';

interface Fake extends TrackedConnection {
  readonly name: string;
}

function table(bounds: Partial<ConnectionBounds> = {}) {
  const connections = new ConnectionTable<Fake>({ total: 10, perAddress: 10, unproven: 10, ...bounds });
  const closed: string[] = [];
  const open = (name: string, address: string, isProxy = false) => {
    const connection = { name, address, isProxy, close: () => closed.push(name) };
    return { connection, ...connections.admit(connection) };
  };
  const busy = (name: string, address: string) => {
    const { connection } = open(name, address);
    connections.began(connection);
    connections.prove(connection);
    return connection;
  };
  return { connections, closed, open, busy };
}

describe('a table of connections', () => {
  test('the oldest silent connection of the address with the most makes room for the next', () => {
    const { closed, open } = table({ unproven: 4 });
    open('first', 'honest');
    for (const name of ['a', 'b', 'c']) open(name, 'attacker');
    expect(open('second', 'honest')).toMatchObject({ admitted: true, evicted: ['unproven'] });
    expect(open('d', 'attacker')).toMatchObject({ admitted: true, evicted: ['unproven'] });
    expect(closed).toEqual(['a', 'b']);
  });

  test('a connection that is being answered outlives silent ones, and one with valid credentials outlives all', () => {
    const { connections, closed, open, busy } = table({ total: 3, unproven: 3 });
    busy('busy', 'x');
    const { connection } = open('asking', 'x');
    connections.began(connection);
    open('silent', 'x');
    open('next', 'y');
    expect(closed).toEqual(['silent']);
    connections.prove(connection);
    busy('last', 'y');
    expect(closed).toEqual(['silent', 'next']);
    expect(open('late', 'z')).toMatchObject({ admitted: false, refusedBy: 'total' });
    expect(connections.isFull).toBe(true);
    connections.ended(connection);
    expect(connections.counts).toEqual({ silent: 0, asking: 0, idle: 1, busy: 2 });
    expect(open('latest', 'z')).toMatchObject({ admitted: true, evicted: ['total'] });
    expect(closed).toEqual(['silent', 'next', 'asking']);
  });

  test('an address has its own bound, a trusted proxy has none', () => {
    const { closed, open, busy } = table({ perAddress: 2 });
    open('a', 'x');
    busy('b', 'x');
    expect(open('c', 'x')).toMatchObject({ admitted: true, evicted: ['address'] });
    expect(closed).toEqual(['a']);
    busy('d', 'x');
    expect(open('e', 'x')).toMatchObject({ admitted: false, refusedBy: 'address' });
    expect(open('f', 'y').admitted).toBe(true);
    for (const name of ['g', 'h', 'i'])
      expect(open(name, 'proxy', true)).toMatchObject({ admitted: true, evicted: [] });
  });

  test('the first request of a trusted proxy proves its connection', () => {
    const { connections, open } = table();
    const { connection } = open('a', 'proxy', true);
    expect(connections.counts.silent).toBe(1);
    connections.began(connection);
    connections.ended(connection);
    expect(connections.counts).toMatchObject({ silent: 0, idle: 1 });
  });

  test('what is closed is forgotten, also twice', () => {
    const { connections, open } = table();
    const { connection } = open('a', 'x');
    connections.remove(connection);
    connections.remove(connection);
    connections.began(connection);
    expect(connections.counts).toEqual({ silent: 0, asking: 0, idle: 0, busy: 0 });
    expect(connections.heaviest).toBeUndefined();
  });
});

test('a ranking knows the address with the most after any sequence of changes', () => {
  const ranking = new AddressRanking<{ readonly address: string }>();
  const open: { readonly address: string }[] = [];
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let i = 0; i < 3_000; i += 1) {
    if (random(2) === 0 || open.length === 0) {
      const added = { address: `a${random(5)}` };
      open.push(added);
      ranking.add(added);
    } else {
      const [gone] = open.splice(random(open.length), 1);
      if (gone !== undefined) ranking.delete(gone);
    }
    const counts = [...new Set(open.map(({ address }) => address))].map(
      (address) => open.filter((each) => each.address === address).length,
    );
    expect(ranking.size).toBe(open.length);
    expect(ranking.heaviest?.count ?? 0).toBe(Math.max(0, ...counts));
    const oldest = ranking.oldestOfHeaviest();
    expect(oldest).toBe(open.find(({ address }) => address === ranking.heaviest?.address));
  }
});
