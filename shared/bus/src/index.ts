export type * from './broker.js';
export type * from './bus.js';
export { connectNats, NatsUnreachableError, type NatsOptions, type NatsTls } from './connect-nats.js';
export { followView, type FollowedView, type ViewOptions } from './follow-view.js';
export type * from './log.js';
export { LogError, LogErrorCode } from './log.js';
