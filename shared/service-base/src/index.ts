export { listenerFaults, listenerFields, serviceFields, tlsFiles, type ServiceConfig } from './common-fields.js';
export { connectService, type ServiceBase } from './connect-service.js';
export { connectionsThatFit } from './descriptor-limit.js';
export { CoordinatorMonitor } from './queries/coordinator-monitor.js';
export { interruptOrphan, INTERRUPTED, type InterruptDeps, type InterruptResult } from './queries/interrupt-orphan.js';
export { OrphanReaper, type OrphanReaperOptions } from './queries/orphan-reaper.js';
export { readResults, type StoredEvent } from './queries/read-results.js';
export { storeQueryRecord, type StoredQuery, type StoreResult } from './queries/stored-query.js';
export { problemReply, type ProblemReply } from './problem-reply.js';
