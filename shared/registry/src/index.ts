export type { FlapLimit } from './redis-claims.js';
export { openRedisRegistry, type RedisRegistryOptions } from './redis-registry.js';
export type * from './registry.js';
