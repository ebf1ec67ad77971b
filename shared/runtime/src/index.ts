export { Secret } from './secret.js';
export { parseBytes, parseDurationMs } from './quantity.js';
export { field, type Field, type FieldOptions } from './field.js';
export {
  ConfigError,
  defineConfig,
  loadConfig,
  printableConfig,
  type ConfigDefinition,
  type ConfigFault,
  type ConfigOf,
  type ConfigResult,
  type Env,
} from './config.js';
export { sleep, systemClock, type Clock, type Timer } from './clock.js';
export { FakeClock } from './fake-clock.js';
export { fullJitter, type Backoff, type BackoffOptions } from './backoff.js';
export { TokenBucket, type TakeResult, type TokenBucketOptions } from './token-bucket.js';
export { BoundedQueue, type BoundedQueueOptions, type PushResult } from './bounded-queue.js';
export {
  createLogger,
  LOG_LEVELS,
  silentLogger,
  type LogFields,
  type Logger,
  type LoggerOptions,
  type LogLevel,
} from './logger.js';
export {
  createMetrics,
  LATENCY_BUCKETS,
  type Counter,
  type Gauge,
  type Histogram,
  type MetricOptions,
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
export { type Part } from './part.js';
export { createRunner, type Runner, type RunnerOptions, type RunnerState, type RunOutcome } from './runner.js';
export { runService, type Service, type ServiceContext } from './run-service.js';
export { watchParent } from './parent-guard.js';
export { writeReadyFile } from './ready-file.js';
