import type { ServiceContext } from '@muster/runtime';
import { connectService } from '@muster/service-base';
import type { TelemetryConfig } from './config.js';
import { createTelemetryService } from './telemetry-service.js';

/** The telemetry service with its brokers and its health port, in the order in which the components start. */
export async function buildTelemetryService(config: TelemetryConfig, context: ServiceContext): Promise<void> {
  const base = await connectService(config, context);
  const { instance, components } = createTelemetryService({ ...base, config });
  base.logger.info('telemetry service', { instance });
  for (const [name, component] of components) context.runner.go(name, component);
}
