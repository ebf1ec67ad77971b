import { findAction, parseBinding, parseParams, type ActionDefinition, type Fault } from '@muster/actions';
import type { StreamStore } from '@muster/bus';
import type { CommandTarget } from '@muster/messages';
import {
  AppError,
  decodeRow,
  LIMITS,
  type AgentId,
  type Binding,
  type ErrorCode,
  type Params,
  type SqlValue,
} from '@muster/protocol';
import type { KnownHealth } from '../agents/known-health.js';
import type { Principal } from '../http/principal.js';
import { pointerOf } from '../http/problems.js';
import type { QueryStore } from '../queries/query-store.js';
import { rawRows } from '../queries/result-rows.js';
import type { EndpointByNum } from '../queries/result-json.js';
import type { CommandRequest, RequestRow, RequestTarget } from '@muster/api-contract';

export interface ResolveParts {
  readonly queries: Pick<QueryStore, 'findReadable'>;
  readonly streams: StreamStore;
  readonly byNum: EndpointByNum;
  readonly health: Pick<KnownHealth, 'among'>;
}

/** The parameters and the target of a request, as the action takes them. */
export interface ResolvedRequest {
  readonly params: Params;
  readonly target: CommandTarget;
}

/** A fault and its place in the body: a JSON pointer in a URI fragment (RFC 6901 §6). */
interface BodyFault {
  readonly pointer: string;
  readonly fault: string;
}

const MAX_FAULTS = 20;

/**
 * Checks a request against its action, and reads the rows of a query that it names. Collects the faults of parameters
 * and rows. Throws `unknown_action`, `bad_params`; for the rows of a query also `not_found`, `table_forbidden`,
 * `conflict`, `bad_request`, `no_targets`.
 */
export async function resolveRequest(
  parts: ResolveParts,
  principal: Principal,
  request: Pick<CommandRequest, 'action' | 'params' | 'target'>,
  signal: AbortSignal,
): Promise<ResolvedRequest> {
  const action = findAction(request.action);
  if (action === undefined || action.hidden === true) {
    throw new AppError('unknown_action', `there is no action "${request.action}"; GET /v1/actions lists them`, {
      details: { faults: [{ pointer: '#/action', fault: 'is not the name of an action' }] },
    });
  }
  const bound = 'rows' in request.target || 'query' in request.target;
  const parsed = parseParams(action, request.params, { bound });
  if (!parsed.ok) throw refuse(action, faultsAt(['params'], parsed.faults));
  return {
    params: parsed.params,
    target: await readTarget(parts, principal, { action, target: request.target }, signal),
  };
}

interface Aim {
  readonly action: ActionDefinition;
  readonly target: RequestTarget;
}

async function readTarget(
  parts: ResolveParts,
  principal: Principal,
  { action, target }: Aim,
  signal: AbortSignal,
): Promise<CommandTarget> {
  if ('selector' in target) return { ...target, ...(await parts.health.among(principal.org, target.selector)) };
  // Sound: the schema has checked that each is the id of an agent.
  if ('agentIds' in target) return { agentIds: [...new Set(target.agentIds)] as AgentId[] };
  if ('rows' in target) return { rows: bindRows(action, target.rows, (i) => ['target', 'rows', String(i), 'row']) };
  const rows = await rowsOfQuery(parts, principal, target.query, signal);
  return { rows: bindRows(action, rows, () => ['target', 'query']) };
}

function bindRows(
  action: ActionDefinition,
  rows: readonly RequestRow[],
  pathOf: (i: number) => readonly string[],
): { agentId: AgentId; row: Binding }[] {
  const bound: { agentId: AgentId; row: Binding }[] = [];
  const faults: BodyFault[] = [];
  for (const [i, { agentId, row }] of rows.entries()) {
    const parsed = parseBinding(action, row);
    if (parsed.ok) bound.push({ agentId: agentId as AgentId, row: parsed.binding });
    else faults.push(...faultsAt(pathOf(i), parsed.faults));
    if (faults.length >= MAX_FAULTS) break;
  }
  if (faults.length > 0) throw refuse(action, faults);
  return bound;
}

/** The rows of a query that has ended, as rows to act on. */
async function rowsOfQuery(
  { queries, streams, byNum }: ResolveParts,
  principal: Principal,
  id: string,
  signal: AbortSignal,
): Promise<RequestRow[]> {
  const record = await queries.findReadable(principal, id);
  if (record.mode !== 'raw') {
    throw queryFault(
      'bad_request',
      `query ${id} was asked in mode group, so its rows name no endpoint; ask it in mode raw`,
    );
  }
  if (record.state === 'running') throw queryFault('conflict', `query ${id} still runs; wait for its end`);
  const rows: RequestRow[] = [];
  for await (const { num, row } of rawRows(streams, record, { seq: 1, at: 0 }, signal)) {
    const values = decodeRow(row);
    if (rows.length === LIMITS.commandRows) {
      throw queryFault('bad_request', `query ${id} has more than ${LIMITS.commandRows} rows; ask for less`);
    }
    const agentId = byNum(num)?.agentId;
    if (agentId === undefined)
      throw queryFault('conflict', `endpoint #${num} of query ${id} is not known yet; try again`);
    rows.push({ agentId, row: rowOf(record.columns, values) });
  }
  if (rows.length === 0) throw queryFault('no_targets', `query ${id} has no rows`);
  return rows;
}

function rowOf(columns: readonly string[], values: readonly SqlValue[]): Record<string, unknown> {
  // A prototype-less object: a column can have any name.
  const row = Object.create(null) as Record<string, unknown>;
  columns.forEach((column, i) => (row[column] ??= values[i]));
  return row;
}

function queryFault(code: ErrorCode, message: string): AppError {
  return new AppError(code, message, { details: { faults: [{ pointer: '#/target/query', fault: message }] } });
}

function faultsAt(path: readonly string[], faults: readonly Fault[]): BodyFault[] {
  return faults.map(({ path: member, message }) => ({
    pointer: pointerOf(member === '' ? path : [...path, ...member.split('.')]),
    fault: message,
  }));
}

function refuse({ name }: ActionDefinition, faults: readonly BodyFault[]): AppError {
  const first = faults[0];
  const more = faults.length > 1 ? `, and ${faults.length - 1} more` : '';
  return new AppError('bad_params', `${name}: ${first?.pointer.slice(2) ?? ''}: ${first?.fault ?? ''}${more}`, {
    details: { faults: faults.slice(0, MAX_FAULTS) },
  });
}
