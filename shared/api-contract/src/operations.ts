import { labelAgent, labelAgents, listAgents, orderMode, revokeAgent, showAgent } from './agent-operations.js';
import { listAudit, readAuditChain } from './audit.js';
import { listEndpointBandwidth, showAgentBandwidth, showBandwidth } from './bandwidth.js';
import {
  approveCommand,
  cancelCommand,
  listActions,
  listCommands,
  listCommandTargets,
  planCommand,
  showCommand,
  streamCommandEvents,
  submitCommand,
  undoCommand,
} from './command-operations.js';
import { me } from './me.js';
import { openapi } from './openapi.js';
import {
  cancelQuery,
  listQueries,
  listQueryEndpoints,
  listQueryRows,
  reduceQuery,
  showQuery,
  startQuery,
  streamQueryEvents,
} from './query-operations.js';
import { listTables, showTable } from './tables.js';
import { createToken, listTokens, revokeToken } from './tokens.js';

/** Every operation of the API by its id, in the order of the OpenAPI document. */
export const operations = {
  startQuery,
  listQueries,
  showQuery,
  cancelQuery,
  reduceQuery,
  streamQueryEvents,
  listQueryRows,
  listQueryEndpoints,
  listActions,
  submitCommand,
  planCommand,
  undoCommand,
  listCommands,
  showCommand,
  listCommandTargets,
  cancelCommand,
  approveCommand,
  streamCommandEvents,
  listAgents,
  showAgent,
  revokeAgent,
  labelAgent,
  labelAgents,
  orderMode,
  showBandwidth,
  listEndpointBandwidth,
  showAgentBandwidth,
  listTables,
  showTable,
  listTokens,
  createToken,
  revokeToken,
  listAudit,
  readAuditChain,
  me,
  openapi,
} as const;
