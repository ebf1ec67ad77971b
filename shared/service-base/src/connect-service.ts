import { connectNats, createBusMetrics, type Broker } from '@muster/bus';
import { STREAMS } from '@muster/records';
import { openRedisRegistry, type Registry } from '@muster/registry';
import {
  createHealthServer,
  systemClock,
  type Clock,
  type Logger,
  type Metrics,
  type ServiceContext,
} from '@muster/runtime';
import type { ServiceConfig } from './common-fields.js';

/** What every service is built from. */
export interface ServiceBase {
  readonly broker: Broker;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface ConnectOptions {
  /** How long to wait for Redis before the service starts without it; default 5,000. */
  readonly registryTimeoutMs?: number;
}

/**
 * Connects to broker and registry, creates the streams, and registers the health server as the first component.
 * What the service registers afterwards starts later and stops earlier.
 *
 * The service is ready when its components run and the broker is connected. Redis is not checked: every service works
 * without it, by broadcast.
 * @throws NatsUnreachableError when the broker cannot be reached within 30 s, or refuses the credentials.
 */
export async function connectService(
  config: ServiceConfig,
  { name, logger, metrics, runner }: ServiceContext,
  { registryTimeoutMs }: ConnectOptions = {},
): Promise<ServiceBase> {
  const broker = await connectNats({ servers: config.natsUrls, name: `muster ${name}`, logger });
  runner.defer('broker', () => broker.stop());
  createBusMetrics(metrics, broker.bus);
  const registry = await openRedisRegistry({
    url: config.redisUrl,
    logger,
    ...(registryTimeoutMs === undefined ? {} : { startTimeoutMs: registryTimeoutMs }),
  });
  runner.defer('registry', () => registry.stop());
  await broker.streams.ensure(Object.values(STREAMS));
  runner.go(
    'health',
    createHealthServer({
      host: config.healthHost,
      port: config.healthPort,
      registry: metrics.registry,
      readiness: runner,
      checks: { broker: () => broker.bus.connected },
    }),
  );
  return { broker, registry, clock: systemClock, logger, metrics };
}
