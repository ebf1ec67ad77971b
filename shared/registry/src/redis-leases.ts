import { DROP_LUA, LAPSED_LUA, LIVE_LUA, RENEW_LUA } from './lua/leases.js';
import { KEYS } from './partition.js';
import { LuaScript, type RedisConnection } from './redis-connection.js';
import type {
  DropResult,
  GatewayInfo,
  GatewayLease,
  GatewaysResult,
  Leases,
  LeaseRenewal,
  RenewResult,
} from './registry.js';

const RENEW = new LuaScript(RENEW_LUA);
const DROP = new LuaScript(DROP_LUA);
const LIVE = new LuaScript(LIVE_LUA);
const LAPSED = new LuaScript(LAPSED_LUA);
const LEASE_KEYS = [KEYS.leases, KEYS.gateways];

/** How old the list of live gateways may be where the port does not ask for a fresh one. */
const CACHE_MS = 1_000;
const MAX_REMEMBERED = 10_000;

/** The live gateways as of one moment. */
export interface LiveGateways {
  readonly readAtMs: number;
  readonly leases: ReadonlyMap<string, GatewayLease>;
}

/** Leases in Redis, and a short cache of the live gateways. */
export class RedisLeases implements Leases {
  private readonly connection: RedisConnection;
  private cached: LiveGateways | undefined;
  private reading: Promise<LiveGateways> | undefined;
  /** The last renewals of leases that have ended. */
  private readonly lastRenewed = new Map<string, number>();

  constructor(connection: RedisConnection) {
    this.connection = connection;
  }

  async renew({ gatewayId, ttlMs, info }: LeaseRenewal): Promise<RenewResult> {
    try {
      const answer = await this.connection.run(RENEW, LEASE_KEYS, [gatewayId, ttlMs, JSON.stringify(info)]);
      return { kind: answer as 'renewed' | 'lapsed' | 'dropped' };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  async drop(gatewayId: string): Promise<DropResult> {
    try {
      await this.connection.run(DROP, LEASE_KEYS, [gatewayId]);
      return { kind: 'dropped' };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  /** The gateways with a valid lease now. */
  async gateways(): Promise<GatewaysResult> {
    try {
      const { leases } = await this.fresh();
      return { kind: 'gateways', gateways: [...leases.values()] };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  async lapsed(withinMs: number): Promise<GatewaysResult> {
    try {
      return { kind: 'gateways', gateways: leasesOf(await this.connection.run(LAPSED, LEASE_KEYS, [withinMs])) };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  /** The live gateways, as known at most a second ago. */
  async live(): Promise<LiveGateways> {
    const { cached } = this;
    if (cached !== undefined && performance.now() - cached.readAtMs < CACHE_MS) return cached;
    this.reading ??= this.fresh().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  /** The live gateways, read after the call. */
  async fresh(): Promise<LiveGateways> {
    const readAtMs = performance.now();
    const leases = new Map<string, GatewayLease>();
    for (const lease of leasesOf(await this.connection.run(LIVE, LEASE_KEYS, []))) {
      leases.set(lease.gatewayId, lease);
      // A lease that had ended can hold again.
      this.lastRenewed.delete(lease.gatewayId);
    }
    this.cached = { readAtMs, leases };
    return this.cached;
  }

  /** When the leases of these gateways, none of them live, were renewed last. A gateway that is long gone is missing. */
  async lastRenewals(gatewayIds: ReadonlySet<string>): Promise<ReadonlyMap<string, number>> {
    const unknown = [...gatewayIds].filter((id) => !this.lastRenewed.has(id));
    if (unknown.length === 0) return this.lastRenewed;
    if (this.lastRenewed.size + unknown.length > MAX_REMEMBERED) this.lastRenewed.clear();
    const renewals = await this.connection.hmget(KEYS.gateways, unknown);
    for (const [index, id] of unknown.entries()) {
      const renewedAtMs = Number.parseInt(renewals[index] ?? '', 10);
      if (!Number.isNaN(renewedAtMs)) this.lastRenewed.set(id, renewedAtMs);
    }
    return this.lastRenewed;
  }
}

function leasesOf(rows: unknown): GatewayLease[] {
  return (rows as [string, string, string][]).map(([gatewayId, remainingMs, info]) => ({
    ...(JSON.parse(info) as GatewayInfo),
    gatewayId,
    remainingMs: Number(remainingMs),
  }));
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
