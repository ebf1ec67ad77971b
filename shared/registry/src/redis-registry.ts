import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from '@muster/runtime';
import { KEYS, PARTITIONS } from './partition.js';
import { RedisRegistrations } from './redis-registrations.js';
import { RedisConnection } from './redis-connection.js';
import { asError, RedisLeases } from './redis-leases.js';
import { RedisPresence } from './redis-presence.js';
import type {
  FlapLimit,
  RegistrationItem,
  GatewaysResult,
  GenerationResult,
  ResyncItem,
  Registry,
  UnregisterItem,
} from './registry.js';

export interface RedisRegistryOptions {
  /** `redis://host:port`, `redis-cluster://host:port,host:port`, or with `rediss` for TLS. */
  readonly url: string;
  readonly logger: Logger;
  /** How long to wait for the first connection; default 5,000. */
  readonly startTimeoutMs?: number;
  readonly flapLimit?: FlapLimit;
}

/**
 * A {@link Registry} in Redis. Waits up to `startTimeoutMs` for the first connection. When that time is over the registry
 * is returned all the same, answers `unavailable`, and keeps connecting: no service needs Redis to start.
 * @throws RangeError when the URL is not one.
 */
export async function openRedisRegistry(options: RedisRegistryOptions): Promise<Registry> {
  const connection = new RedisConnection(options.url, options.logger);
  const isReady = await connection.whenReady(options.startTimeoutMs ?? 5_000);
  if (!isReady) options.logger.warn('going on without redis');
  return new RedisRegistry(connection, options.flapLimit ?? { supersedes: 5, withinMs: 60_000 });
}

class RedisRegistry implements Registry {
  readonly lease: RedisLeases;
  private readonly connection: RedisConnection;
  private readonly registrations: RedisRegistrations;
  private readonly presence: RedisPresence;

  constructor(connection: RedisConnection, flapLimit: FlapLimit) {
    this.connection = connection;
    this.lease = new RedisLeases(connection);
    this.registrations = new RedisRegistrations(connection, this.lease, flapLimit);
    this.presence = new RedisPresence(connection, this.lease);
  }

  get connected(): boolean {
    return this.connection.connected;
  }

  register(gatewayId: string, items: readonly RegistrationItem[]) {
    return this.registrations.register(gatewayId, items);
  }

  unregister(items: readonly UnregisterItem[]) {
    return this.registrations.unregister(items);
  }

  resync(gatewayId: string, items: readonly ResyncItem[]) {
    return this.registrations.resync(gatewayId, items);
  }

  lookup(agentIds: readonly string[]) {
    return this.presence.lookup(agentIds);
  }

  scan(org: string, signal?: AbortSignal) {
    return this.presence.scan(org, signal);
  }

  async gateways(): Promise<GatewaysResult> {
    try {
      const { leases } = await this.lease.fresh();
      return { kind: 'gateways', gateways: [...leases.values()] };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  /** There is one marker per partition, so that the loss of one master of a cluster is noticed too. */
  async generation(): Promise<GenerationResult> {
    const mine = randomBytes(8).toString('hex');
    const markers = Array.from({ length: PARTITIONS }, async (_, partition) => {
      const key = KEYS.generation(partition);
      const found = await this.connection.get(key);
      if (found !== null) return found;
      await this.connection.setIfAbsent(key, mine);
      return this.connection.get(key);
    });
    try {
      const value = createHash('sha256')
        .update((await Promise.all(markers)).join())
        .digest('hex')
        .slice(0, 16);
      return { kind: 'generation', value };
    } catch (error) {
      return { kind: 'unavailable', cause: asError(error) };
    }
  }

  stop(): Promise<void> {
    this.connection.stop();
    return Promise.resolve();
  }
}
