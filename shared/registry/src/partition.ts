/** Fixed for the life of a deployment, because it is part of every key. */
export const PARTITIONS = 64;

/**
 * The partition of an agent (FNV-1a of its id). All agents of one partition are in one hash, so that one script call writes
 * a batch of them, on one Redis and on a Redis Cluster alike.
 */
export function partitionOf(agentId: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < agentId.length; i++) hash = Math.imul(hash ^ agentId.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % PARTITIONS;
}

const tag = (partition: number) => `{p${String(partition).padStart(2, '0')}}`;

/** Every key in Redis. The braces are hash tags: keys with the same tag share a slot of a Redis Cluster. */
export const KEYS = {
  /** Hash: agentId → entry (see lua/entry.ts). */
  agents: (partition: number) => `muster:v1:${tag(partition)}:agents`,
  /** String: random, written by the first service that finds it missing. */
  generation: (partition: number) => `muster:v1:${tag(partition)}:generation`,
  /** Sorted set: gatewayId by the end of its lease. */
  leases: 'muster:v1:{leases}:ends',
  /** Hash: gatewayId → its last renewal. */
  gateways: 'muster:v1:{leases}:gateways',
} as const;

/** Splits items into groups of one partition and at most `size` items; `indexes` are the positions of its items in `items`. */
export function groupByPartition<T extends { readonly agentId: string }>(
  items: readonly T[],
  size: number,
): Group<T>[] {
  const open = new Map<number, Group<T>>();
  const groups: Group<T>[] = [];
  for (const [index, item] of items.entries()) {
    const partition = partitionOf(item.agentId);
    let group = open.get(partition);
    if (group === undefined || group.items.length >= size) {
      group = { partition, items: [], indexes: [] };
      open.set(partition, group);
      groups.push(group);
    }
    group.items.push(item);
    group.indexes.push(index);
  }
  return groups;
}

export interface Group<T> {
  readonly partition: number;
  readonly items: T[];
  readonly indexes: number[];
}
