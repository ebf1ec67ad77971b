import type { ServiceContext } from '@muster/runtime';
import { connectService } from '@muster/service-base';
import type { PostureConfig } from './config.js';
import { createPostureService } from './posture-service.js';

/** The posture service with its brokers and its health port, in the order in which the components start. */
export async function buildPostureService(config: PostureConfig, context: ServiceContext): Promise<void> {
  const base = await connectService(config, context);
  const { instance, components } = createPostureService(base);
  base.logger.info('posture service', { instance });
  for (const [name, component] of components) context.runner.go(name, component);
}
