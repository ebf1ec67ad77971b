import type { ServiceContext } from '@muster/runtime';
import { ClockSkew, connectService } from '@muster/service-base';
import type { QueryConfig } from './config.js';
import { createQueryService } from './query-service.js';

/** The query service with its brokers and its health port, in the order in which the components start. */
export async function buildQueryService(config: QueryConfig, context: ServiceContext): Promise<void> {
  const base = await connectService(config, context);
  const { coordinatorId, components } = createQueryService({
    ...base,
    config,
    keptMs: Math.min(config.streamResultsAgeMs, config.streamQueriesAgeMs),
  });
  base.logger.info('query service', { coordinator: coordinatorId });
  context.runner.go('clock skew', new ClockSkew({ ...base, bus: base.broker.bus }));
  for (const [name, component] of components) context.runner.go(name, component);
}
