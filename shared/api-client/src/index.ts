/** One client of the REST API, for the CLI, the console and tests. Works in Node and in browsers. */
export {
  ApiClient,
  type ApiClientOptions,
  type CallOptions,
  type FollowOptions,
  type Given,
  type PageOptions,
} from './client.js';
export type { Answer, Endpoint, EventEndpoint, InputOf, Item, Line, Operations, PagedEndpoint } from './endpoints.js';
export {
  ApiProblem,
  ConnectionError,
  isTransient,
  nothingDone,
  UnexpectedAnswer,
  type ProblemFields,
} from './errors.js';
export { followCommand, followQuery, runQuery } from './follow.js';
export { jsonValues } from './lines.js';
export { pastSamples } from './past-samples.js';
export { resumed, type ResumeOptions } from './resume.js';
export type { RetryPolicy } from './retry.js';
export type { FetchLike } from './transport.js';
