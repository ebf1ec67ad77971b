export * from './program.js';
export { clientAddress, trustedProxies, type TrustedProxies } from './client-address.js';
export {
  createMetrics,
  LATENCY_BUCKETS,
  type Counter,
  type Gauge,
  type Histogram,
  type MetricOptions,
  type LabelledTotal,
  type Metrics,
  type Registry,
} from './metrics.js';
export {
  createHealthServer,
  type Check,
  type CheckResult,
  type HealthServer,
  type HealthServerOptions,
  type Readiness,
} from './health-server.js';
export { FollowedFile, parseDocument, type FollowedFileOptions, type ParsedDocument } from './followed-file.js';
export { runService, type Service, type ServiceContext } from './run-service.js';
