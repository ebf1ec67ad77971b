import type { ApiClient } from './api-client.js';
import { followEvents, type FollowOptions } from './event-stream.js';
import type { QueryEvent } from './query-json.js';

/** All events of a query, in order and each once, until `ended`, over any number of connections. @throws ConnectionFault, ApiProblem */
export function followQuery(client: ApiClient, id: string, options: FollowOptions = {}) {
  return followEvents<QueryEvent>(client, `/v1/queries/${id}/events`, options);
}
