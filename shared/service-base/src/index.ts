export {
  listenerFaults,
  listenerFields,
  natsFields,
  recordFaults,
  serviceFields,
  streamFields,
  tlsFiles,
} from './common-fields.js';
export type { ServiceConfig } from './common-fields.js';
export { natsServersFor } from './broker-urls.js';
export { FollowedCertificate, type FollowedCertificateOptions } from './followed-certificate.js';
export { AuthenticStreams, type UnauthenticRecord } from './records/authentic-streams.js';
export { ClockSkew } from './clock-skew.js';
export { connectService, type ServiceBase } from './connect-service.js';
export { needsRoom, reservedBytes, streamDefinitions, type StreamBounds } from './stream-definitions.js';
export { connectionsThatFit } from './descriptor-limit.js';
export { LiveInstances, type InstanceMessage, type LiveInstancesOptions } from './live-instances.js';
export { CoordinatorMonitor } from './queries/coordinator-monitor.js';
export { interruptOrphan, INTERRUPTED, type InterruptDeps, type InterruptResult } from './queries/interrupt-orphan.js';
export { OrphanReaper, type OrphanReaperOptions } from './queries/orphan-reaper.js';
export { isBeginning, readResults, readWholeResults, type StoredEvent } from './queries/read-results.js';
export { storeQueryRecord, type StoredQuery, type StoreResult } from './queries/stored-query.js';
export { isStorageFull, writeFailure } from './write-failure.js';
export { problemReply, type ProblemReply } from './problem-reply.js';
export { ServiceInstances, SILENCE_MS, type InstanceHeartbeat } from './service-instances.js';
