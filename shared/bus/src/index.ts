export type * from './broker.js';
export type * from './bus.js';
export type * from './log.js';
export { LogError, LogErrorCode } from './log.js';
