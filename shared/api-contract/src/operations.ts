import { agentOperations } from './agent-operations.js';
import { auditOperations } from './audit.js';
import { bandwidthOperations } from './bandwidth.js';
import { commandOperations } from './command-operations.js';
import { exceptionOperations } from './exceptions.js';
import { feedOperations } from './feeds.js';
import { fleetOperations } from './fleet.js';
import { meOperations } from './me.js';
import { metricsOperations } from './metrics.js';
import { openapiOperations } from './openapi.js';
import { postureOperations } from './posture.js';
import { problemOperations } from './problem-pages.js';
import { queryOperations } from './query-operations.js';
import { questionOperations } from './questions.js';
import { scheduleOperations } from './schedules.js';
import { sessionOperations } from './sessions.js';
import { streamOperations } from './stream.js';
import { systemOperations } from './system.js';
import { tableOperations } from './tables.js';
import { tokenOperations } from './tokens.js';
import { vulnerabilityOperations } from './vulnerabilities.js';
import { webhookOperations } from './webhooks.js';

/** Every operation of the API by its id, in the order of the OpenAPI document. */
export const operations = {
  ...queryOperations,
  ...questionOperations,
  ...postureOperations,
  ...scheduleOperations,
  ...exceptionOperations,
  ...feedOperations,
  ...vulnerabilityOperations,
  ...commandOperations,
  ...agentOperations,
  ...fleetOperations,
  ...bandwidthOperations,
  ...metricsOperations,
  ...systemOperations,
  ...tableOperations,
  ...tokenOperations,
  ...webhookOperations,
  ...auditOperations,
  ...meOperations,
  ...sessionOperations,
  ...streamOperations,
  ...problemOperations,
  ...openapiOperations,
} as const;
