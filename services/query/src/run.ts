import { connectNats, createBusMetrics } from '@muster/bus';
import { STREAMS } from '@muster/records';
import { openRedisRegistry } from '@muster/registry';
import { createHealthServer, systemClock, type ServiceContext } from '@muster/runtime';
import type { QueryConfig } from './config.js';
import { createQueryService } from './query-service.js';

/** The query service with its brokers and its health port, part by part, in the order in which they start. */
export async function buildQueryService(
  config: QueryConfig,
  { logger, metrics, runner }: ServiceContext,
): Promise<void> {
  const broker = await connectNats({ servers: config.natsUrls, name: 'muster query', logger });
  runner.defer('broker', () => broker.stop());
  createBusMetrics(metrics, broker.bus);
  const registry = await openRedisRegistry({ url: config.redisUrl, logger });
  runner.defer('registry', () => registry.stop());
  await broker.streams.ensure(Object.values(STREAMS));

  runner.go(
    'health',
    createHealthServer({
      host: config.healthHost,
      port: config.healthPort,
      registry: metrics.registry,
      readiness: runner,
      // Redis is not asked for: without it queries still run, by broadcast.
      checks: { broker: () => broker.bus.connected },
    }),
  );
  const { ownerId, parts } = createQueryService({ broker, registry, clock: systemClock, logger, metrics, config });
  logger.info('query service', { owner: ownerId });
  for (const [name, part] of parts) runner.go(name, part);
}
