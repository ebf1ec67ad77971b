export * from './operation.js';
export * from './operations.js';
export * from './problem.js';
export { CONSOLE_HEADER, PERSON_HEADER, personText } from './sessions.js';
export * from './event-stream.js';
export * from './agent.js';
export type * from './agent-operations.js';
export * from './query.js';
export * from './query-results.js';
export { readSqlParameters, type SqlParameterJson, sqlParametersJson } from './sql-parameters.js';
export type * from './posture.js';
export {
  FINDING_FORMATS,
  type FindingJson,
  type MendJson,
  type ScanEndpointJson,
  type ScanScoreJson,
} from './scan-results.js';
export type * from './schedules.js';
export type * from './exceptions.js';
export type * from './feeds.js';
export type * from './vulnerabilities.js';
export * from './command.js';
export type * from './command-request.js';
export * from './bandwidth.js';
export * from './metrics.js';
export type * from './system.js';
export type * from './tables.js';
export type * from './tokens.js';
export { MAX_COUNTED_COMMANDS, type FleetJson } from './fleet.js';
export type * from './sessions.js';
export { MAX_SUBSCRIPTIONS, type StreamMessageJson, type Subscription, type SubscriptionRequest } from './stream.js';
export type * from './audit.js';
export * from './webhooks.js';
export * from './questions.js';
export { openApiDocument } from './openapi.js';
