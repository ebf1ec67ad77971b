import { groupByPartition, KEYS, PARTITIONS } from './partition.js';
import type { RedisConnection } from './redis-connection.js';
import { asError, type LiveGateways, type RedisLeases } from './redis-leases.js';
import type { LookupResult, Presence, ScanEntry, ScanPage } from './registry.js';

/** A stored entry (its format is in lua/entry.ts). */
interface StoredEntry extends Omit<ScanEntry, 'agentId'> {
  /** Empty when unregistered. */
  readonly gatewayId: string;
  readonly lastSeenMs: number;
  readonly org: string;
}

function parseEntry(packed: string): StoredEntry {
  const [epoch, gatewayId = '', , mode, connectedAtMs, lastSeenMs, org = '', num] = packed.split('|');
  return {
    epoch: Number(epoch),
    gatewayId,
    mode: mode === 'poll' ? 'poll' : 'live',
    connectedAtMs: Number(connectedAtMs),
    lastSeenMs: Number(lastSeenMs),
    org,
    num: Number(num),
  };
}

const MAX_BATCH = 512;
const SCAN_COUNT = 512;

export class RedisPresence {
  private readonly connection: RedisConnection;
  private readonly lease: RedisLeases;

  constructor(connection: RedisConnection, lease: RedisLeases) {
    this.connection = connection;
    this.lease = lease;
  }

  async lookup(agentIds: readonly string[]): Promise<LookupResult> {
    try {
      const stored = new Map<string, StoredEntry>();
      const groups = groupByPartition(
        agentIds.map((agentId) => ({ agentId })),
        MAX_BATCH,
      );
      const reads = groups.map(async ({ partition, items }) => {
        const ids = items.map((item) => item.agentId);
        const values = await this.connection.hmget(KEYS.agents(partition), ids);
        for (const [index, packed] of values.entries()) {
          if (packed !== null) stored.set(ids[index] as string, parseEntry(packed));
        }
      });
      await Promise.all(reads);
      return { kind: 'found', agents: await this.presences(stored) };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  private async presences(stored: ReadonlyMap<string, StoredEntry>): Promise<ReadonlyMap<string, Presence>> {
    const live = await this.liveFor(stored.values());
    const gone = new Set<string>();
    for (const { gatewayId } of stored.values()) {
      if (gatewayId !== '' && !live.leases.has(gatewayId)) gone.add(gatewayId);
    }
    const renewals = await this.lease.lastRenewals(gone);
    const nowMs = Date.now();
    const presences = new Map<string, Presence>();
    for (const [agentId, entry] of stored) {
      const { gatewayId, epoch, mode, connectedAtMs, lastSeenMs } = entry;
      const session = { gatewayId, epoch, mode, connectedAtMs };
      if (live.leases.has(gatewayId)) {
        presences.set(agentId, { session, lastSeenMs: nowMs });
      } else {
        const seen = { lastSeenMs: Math.max(lastSeenMs, renewals.get(gatewayId) ?? 0) };
        presences.set(agentId, gatewayId === '' ? seen : { lapsed: session, ...seen });
      }
    }
    return presences;
  }

  /** The live gateways; read again when an entry names an unknown gateway, which may have just started. */
  private async liveFor(entries: Iterable<StoredEntry>): Promise<LiveGateways> {
    const calledAtMs = performance.now();
    const live = await this.lease.live();
    if (live.readAtMs >= calledAtMs) return live;
    for (const { gatewayId } of entries) {
      if (gatewayId !== '' && !live.leases.has(gatewayId)) return this.lease.fresh();
    }
    return live;
  }

  async *scan(org: string, signal?: AbortSignal): AsyncGenerator<ScanPage, void, undefined> {
    try {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        let cursor = '0';
        do {
          if (signal?.aborted === true) return;
          const [next, fields] = await this.connection.hscan(KEYS.agents(partition), cursor, SCAN_COUNT);
          cursor = next;
          const entries = await this.heldIn(org, fields);
          if (entries.length > 0) yield { kind: 'page', entries };
        } while (cursor !== '0');
      }
    } catch (error) {
      yield { kind: 'unavailable', cause: asError(error) };
    }
  }

  private async heldIn(org: string, fields: readonly string[]): Promise<ScanEntry[]> {
    const stored: [string, StoredEntry][] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const entry = parseEntry(fields[i + 1] as string);
      if (entry.org === org && entry.gatewayId !== '') stored.push([fields[i] as string, entry]);
    }
    const live = await this.liveFor(stored.map(([, entry]) => entry));
    return stored
      .filter(([, entry]) => live.leases.has(entry.gatewayId))
      .map(([agentId, { num, gatewayId, epoch, mode, connectedAtMs }]) => ({
        agentId,
        num,
        gatewayId,
        epoch,
        mode,
        connectedAtMs,
      }));
  }
}
