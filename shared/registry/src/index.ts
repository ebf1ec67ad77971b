export { openRedisRegistry } from './redis-registry.js';
export type * from './registry.js';
