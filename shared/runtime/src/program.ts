// The part of this package that agent and CLI use. It leaves out the metrics library, which would cost an agent seven megabytes.
export { digestOf, reread, Secret, type SecretFile } from './secret.js';
export { readFault } from './read-fault.js';
export { parseDurationMs } from './quantity.js';
export { field, type Field, type FieldOptions } from './field.js';
export { defineConfig, loadConfig } from './config.js';
export type * from './config.js';
export { sleep, systemClock, type Clock, type Timer } from './clock.js';
export { fullJitter, type Backoff, type BackoffOptions } from './backoff.js';
export { TokenBucket, type TakeResult, type TokenBucketOptions } from './token-bucket.js';
export { createLogger, silentLogger } from './logger.js';
export type * from './logger.js';
export { type Component } from './component.js';
export { drainTimeoutOf, type Runner, type RunnerState, type RunOutcome } from './runner.js';
export { watchParent } from './parent-guard.js';
export { isLockText, takeProcessLock, type LockHeld, type ProcessLock } from './process-lock.js';
export { writeReadyFile } from './ready-file.js';
export { runProgram, stopFields, type Program, type ProgramContext } from './run-program.js';
