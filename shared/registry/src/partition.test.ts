import { describe, expect, test } from '@jest/globals';
import { groupByPartition, KEYS, partitionOf, PARTITIONS } from './partition.js';

describe('the partition of an agent', () => {
  // FNV-1a of 32 bits, modulo 64; the hashes are those of its authors' test vectors (draft-eastlake-fnv).
  test.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['b', 0xe70c2de5],
    ['foobar', 0xbf9cf968],
  ])('of %j', (agentId, hash) => {
    expect(partitionOf(agentId)).toBe(hash % 64);
  });

  test('is fixed, because it is part of every key', () => {
    expect(PARTITIONS).toBe(64);
    expect(KEYS.agents(3)).toBe('muster:v1:{p03}:agents');
    expect(KEYS.generation(63)).toBe('muster:v1:{p63}:generation');
    expect([KEYS.leases, KEYS.gateways]).toEqual(['muster:v1:{leases}:ends', 'muster:v1:{leases}:gateways']);
  });
});

describe('groups', () => {
  const items = (...agentIds: string[]) => agentIds.map((agentId, n) => ({ agentId, n }));

  test('have the items of one partition, and say where each was', () => {
    const others = Array.from({ length: 200 }, (_, n) => `agent-${n}`);
    const all = items(...others);
    const groups = groupByPartition(all, 1_000);
    expect(new Set(groups.map(({ partition }) => partition)).size).toBe(groups.length);
    for (const { partition, items: members, indexes } of groups) {
      expect(members.map(({ agentId }) => partitionOf(agentId))).toEqual(members.map(() => partition));
      expect(indexes.map((index) => all[index])).toEqual(members);
    }
    expect(groups.flatMap(({ indexes }) => indexes).toSorted((a, b) => a - b)).toEqual([...all.keys()]);
  });

  test('are not larger than is said', () => {
    const groups = groupByPartition(items('a', 'a', 'b', 'a', 'a', 'a'), 2);
    expect(groups.map(({ indexes }) => indexes)).toEqual([[0, 1], [2], [3, 4], [5]]);
    expect(groupByPartition([], 2)).toEqual([]);
  });
});
