export type * from './broker.js';
export type * from './bus.js';
export { createBusMetrics } from './bus-metrics.js';
export { connectNats, natsServerNames } from './connect-nats.js';
export { connectSnapshots, type StreamDescription, type StreamSnapshots } from './nats-snapshots.js';
export { formatIn, refuseOtherFormat } from './stream-format.js';
export { followView, type FollowedView } from './follow-view.js';
export type * from './stream-store.js';
export { StreamError } from './stream-store.js';
