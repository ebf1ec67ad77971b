import { createHash, randomBytes } from 'node:crypto';
import type { Logger } from '@muster/runtime';
import { KEYS, PARTITIONS } from './partition.js';
import { RedisRegistrations } from './redis-registrations.js';
import { RedisConnection } from './redis-connection.js';
import { asError, RedisLeases } from './redis-leases.js';
import { RedisPresence } from './redis-presence.js';
import type { RegistryMetrics } from './registry-metrics.js';
import type { FlapLimit, GenerationResult, MemoryResult, Registry } from './registry.js';

export interface RedisRegistryOptions {
  /** `redis://host:port`, `redis-cluster://host:port,host:port`, or with `rediss` for TLS. */
  readonly url: string;
  /** The password at each connection, in the place of that of the URL. A cluster's client goes on with the first one. */
  readonly password?: () => string;
  /** Certificates that vouch for the servers over TLS, PEM. Default: those of the system. */
  readonly ca?: string | undefined;
  readonly logger: Logger;
  /** How long to wait for the first connection; default 5,000. */
  readonly startTimeoutMs?: number;
  readonly flapLimit?: FlapLimit;
  readonly metrics?: RegistryMetrics;
}

/**
 * A {@link Registry} in Redis. Waits up to `startTimeoutMs` for the first connection. When that time is over the registry
 * is returned all the same, answers `unavailable`, and keeps connecting: no service needs Redis to start.
 * @throws RangeError when the URL is not one.
 */
export async function openRedisRegistry(options: RedisRegistryOptions): Promise<Registry> {
  const connection = new RedisConnection(options.url, options.logger, options);
  const isReady = await connection.whenReady(options.startTimeoutMs ?? 5_000);
  if (!isReady) options.logger.warn('going on without redis', { reason: connection.fault });
  const lease = new RedisLeases(connection);
  const flapLimit = options.flapLimit ?? { supersedes: 5, withinMs: 60_000 };
  const registrations = new RedisRegistrations(connection, lease, flapLimit);
  const presence = new RedisPresence(connection, lease);
  return {
    lease,
    get connected() {
      return connection.connected;
    },
    get fault() {
      return connection.fault;
    },
    register: (gatewayId, items) => registrations.register(gatewayId, items),
    unregister: (items) => registrations.unregister(items),
    resync: (gatewayId, items) => registrations.resync(gatewayId, items),
    lookup: (agentIds) => presence.lookup(agentIds),
    scan: (org, signal) => presence.scan(org, signal),
    gateways: () => lease.gateways(),
    generation: () => generationOf(connection),
    memory: () => memoryOf(connection),
    stop: () => {
      connection.stop();
      return Promise.resolve();
    },
  };
}

/** There is one marker per partition, so that the loss of one master of a cluster is noticed too. */
async function generationOf(connection: RedisConnection): Promise<GenerationResult> {
  const mine = randomBytes(8).toString('hex');
  const markers = Array.from({ length: PARTITIONS }, async (_, partition) => {
    const key = KEYS.generation(partition);
    const found = await connection.get(key);
    if (found !== null) return found;
    await connection.setIfAbsent(key, mine);
    return connection.get(key);
  });
  try {
    const all = (await Promise.all(markers)).join();
    return { kind: 'generation', value: createHash('sha256').update(all).digest('hex').slice(0, 16) };
  } catch (error) {
    return { kind: 'unavailable', cause: asError(error) };
  }
}

async function memoryOf(connection: RedisConnection): Promise<MemoryResult> {
  try {
    const servers = (await connection.memory()).map((text) => {
      const number = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1] ?? 0);
      return { usedBytes: number('used_memory'), limitBytes: number('maxmemory') || undefined };
    });
    const share = ({ usedBytes, limitBytes }: { usedBytes: number; limitBytes: number | undefined }): number =>
      limitBytes === undefined ? 0 : usedBytes / limitBytes;
    const fullest = servers.toSorted((a, b) => share(b) - share(a) || b.usedBytes - a.usedBytes)[0];
    return { kind: 'memory', usedBytes: 0, limitBytes: undefined, ...fullest };
  } catch (error) {
    return { kind: 'unavailable', cause: asError(error) };
  }
}
