export * from './program.js';
export { addressBlock, clientAddress, trustedProxies, type TrustedProxies } from './client-address.js';
export { createMetrics, LATENCY_BUCKETS } from './metrics.js';
export type * from './metrics.js';
export { createHealthServer } from './health-server.js';
export type * from './health-server.js';
export { FollowedFile, parseDocument, type FollowedFileOptions, type ParsedDocument } from './followed-file.js';
export { runService, type Service, type ServiceContext } from './run-service.js';
