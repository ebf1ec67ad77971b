export { PresenceDoubt } from './presence-doubt.js';
export { openRedisRegistry } from './redis-registry.js';
export { createRegistryMetrics } from './registry-metrics.js';
export { REDIS_URL } from './redis-url.js';
export type * from './registry.js';
