import { REGISTER_LUA } from './lua/register.js';
import { RESYNC_LUA } from './lua/resync.js';
import { UNREGISTER_LUA } from './lua/unregister.js';
import { groupByPartition, KEYS } from './partition.js';
import { LuaScript, type RedisConnection } from './redis-connection.js';
import { asError, type LiveGateways, type RedisLeases } from './redis-leases.js';
import type {
  FlapLimit,
  RegistrationItem,
  RegistrationResult,
  ResyncItem,
  ResyncResult,
  UnregisterItem,
  UnregisterResult,
  Unavailable,
} from './registry.js';

const REGISTER = new LuaScript(REGISTER_LUA);
const UNREGISTER = new LuaScript(UNREGISTER_LUA);
const RESYNC = new LuaScript(RESYNC_LUA);
/** Agents per script call; Redis runs nothing else meanwhile. */
const MAX_BATCH = 256;

/** Writes of the registry: a batch becomes one script call per partition, all at the same time. */
export class RedisRegistrations {
  private readonly connection: RedisConnection;
  private readonly lease: RedisLeases;
  private readonly flapLimit: FlapLimit;

  constructor(connection: RedisConnection, lease: RedisLeases, flapLimit: FlapLimit) {
    this.connection = connection;
    this.lease = lease;
    this.flapLimit = flapLimit;
  }

  async register(gatewayId: string, items: readonly RegistrationItem[]): Promise<readonly RegistrationResult[]> {
    if (items.length === 0) return [];
    try {
      const first = await this.registerWith(await this.lease.live(), false, gatewayId, items);
      const undecidedAt = [...items.keys()].filter((index) => first[index] === 'check');
      if (undecidedAt.length > 0) {
        const again = undecidedAt.map((index) => items[index] as RegistrationItem);
        const second = await this.registerWith(await this.lease.fresh(), true, gatewayId, again);
        for (const [at, index] of undecidedAt.entries()) first[index] = second[at] ?? 'check';
      }
      return first.map((result) => (result === 'check' ? undecided() : result));
    } catch (error) {
      return items.map(() => ({ kind: 'unavailable', cause: asError(error) }));
    }
  }

  private registerWith(live: LiveGateways, isFresh: boolean, gatewayId: string, items: readonly RegistrationItem[]) {
    const ids = [...live.leases.keys()];
    const { supersedes, withinMs } = this.flapLimit;
    const head = [gatewayId, isFresh ? 1 : 0, supersedes, withinMs, ids.length, ...ids];
    return this.eachPartition(REGISTER, items, head, parseRegistration, (item) => [
      ...sessionArgs(item),
      item.epochHint,
      item.connectedAtMs,
      item.replaces ?? '',
    ]);
  }

  async unregister(items: readonly UnregisterItem[]): Promise<UnregisterResult> {
    const counts = groupByPartition(items, MAX_BATCH).map(async ({ partition, items: group }) => {
      const args = group.flatMap((item) => [item.agentId, item.epoch]);
      return Number(await this.connection.run(UNREGISTER, [KEYS.agents(partition)], args));
    });
    try {
      const unregistered = await Promise.all(counts);
      return { kind: 'unregistered', count: unregistered.reduce((sum, count) => sum + count, 0) };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  resync(gatewayId: string, items: readonly ResyncItem[]): Promise<readonly ResyncResult[]> {
    return this.eachPartition(RESYNC, items, [gatewayId], parseResync, (item) => [
      ...sessionArgs(item),
      item.epoch,
      item.connectedAtMs,
    ]);
  }

  /** Runs a script over all items, partition by partition at the same time; the failure of one partition does not affect others. */
  private async eachPartition<T extends { readonly agentId: string }, R>(
    script: LuaScript,
    items: readonly T[],
    head: readonly (string | number)[],
    parse: (row: readonly string[]) => R,
    args: (item: T) => readonly (string | number)[],
  ): Promise<(R | Unavailable)[]> {
    const results = Array.from<R | Unavailable>({ length: items.length });
    const runs = groupByPartition(items, MAX_BATCH).map(async ({ partition, items: group, indexes }) => {
      try {
        const rows = await this.connection.run(script, [KEYS.agents(partition)], [...head, ...group.flatMap(args)]);
        for (const [at, row] of (rows as string[][]).entries()) results[indexes[at] as number] = parse(row);
      } catch (error) {
        for (const index of indexes) results[index] = { kind: 'unavailable', cause: asError(error) };
      }
    });
    await Promise.all(runs);
    return results;
  }
}

function sessionArgs({ agentId, org, num, instance, mode }: Omit<RegistrationItem, 'epochHint'>): (string | number)[] {
  return [agentId, org, num, instance, mode];
}

function parseRegistration([kind, second = '', gatewayId = '', epoch, instance = '']: readonly string[]):
  RegistrationResult | 'check' {
  if (kind === 'check') return 'check';
  const holder = { gatewayId, epoch: Number(epoch) };
  if (kind === 'duplicate') {
    return { kind, reason: second === 'flapping' ? 'flapping' : 'instance', holder: { ...holder, instance } };
  }
  return { kind: 'registered', epoch: Number(second), ...(gatewayId === '' ? {} : { previous: holder }) };
}

function parseResync([kind, gatewayId = '', epoch]: readonly string[]): ResyncResult {
  if (kind === 'kept') return { kind };
  return { kind: 'lost', ...(gatewayId === '' ? {} : { holder: { gatewayId, epoch: Number(epoch) } }) };
}

function undecided(): RegistrationResult {
  return { kind: 'unavailable', cause: new Error('the registration could not be decided') };
}
