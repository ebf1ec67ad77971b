import { agentOperations } from './agent-operations.js';
import { auditOperations } from './audit.js';
import { bandwidthOperations } from './bandwidth.js';
import { commandOperations } from './command-operations.js';
import { meOperations } from './me.js';
import { metricsOperations } from './metrics.js';
import { openapiOperations } from './openapi.js';
import { queryOperations } from './query-operations.js';
import { tableOperations } from './tables.js';
import { tokenOperations } from './tokens.js';
import { webhookOperations } from './webhooks.js';

/** Every operation of the API by its id, in the order of the OpenAPI document. */
export const operations = {
  ...queryOperations,
  ...commandOperations,
  ...agentOperations,
  ...bandwidthOperations,
  ...metricsOperations,
  ...tableOperations,
  ...tokenOperations,
  ...webhookOperations,
  ...auditOperations,
  ...meOperations,
  ...openapiOperations,
} as const;
