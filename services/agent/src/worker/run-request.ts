import type { CompileFailure, ExecuteResult, SqlEngine } from '@muster/tables';
import { clipMessage, LIMITS } from '@muster/protocol';
import type { QueryFailure, QueryRequest, WorkerReply } from './messages.js';
import type { HungPathError } from './path-note.js';

type Done = Extract<WorkerReply, { t: 'done' }>;

/**
 * Runs one statement on the engine. `onRows` takes ownership of the buffer. When a path was not touched because its file
 * system hangs (`note.refused`), there is no answer, whatever was found elsewhere.
 */
export function runRequest(
  engine: SqlEngine,
  request: QueryRequest,
  onRows: (rows: Uint8Array<ArrayBuffer>) => void,
  note: { readonly refused: HungPathError | undefined } = { refused: undefined },
): Done {
  const { sql, parameters = [], untilMs = Infinity } = request;
  const compiled = engine.compile(sql, parameters);
  if (!compiled.ok) return { t: 'done', columns: [], failure: failureOf(compiled) };
  const columns = compiled.columns.map((column) => column.name);
  if (request.columns !== undefined && !sameNames(columns, request.columns)) {
    return { t: 'done', columns, failure: mismatch(columns, request.columns) };
  }
  const result = engine.execute(sql, {
    parameters,
    limits: { ...request.budget, ms: Math.max(1, Math.min(request.budget.ms, untilMs - Date.now())) },
    chunkBytes: request.chunkBytes,
    keepRows: request.budget.priority === 'low',
    onRows,
  });
  if (note.refused !== undefined) return { t: 'done', columns, failure: hungFailure(note.refused) };
  const ended = result.ok ? undefined : endedEarly(result);
  if (!result.ok && ended === undefined) return { t: 'done', columns, failure: failureOf(result) };
  const warnings = [...(ended === undefined ? [] : [ended]), ...('warnings' in result ? (result.warnings ?? []) : [])]
    .slice(0, LIMITS.warnings)
    .map(({ code, count, message }) => ({ code, count, message: clipMessage(message) }));
  return warnings.length === 0 ? { t: 'done', columns } : { t: 'done', columns, warnings };
}

type Failed = Extract<ExecuteResult, { ok: false }>;

/**
 * What is said of an answer with the rows of a search that was not finished. One that found none until then has no
 * answer: nothing is known.
 */
function endedEarly(result: Failed): { code: string; count: number; message: string } | undefined {
  if (result.code !== 'over_budget' || (result.kept ?? 0) === 0) return undefined;
  return {
    code: `over_${result.limit}`,
    count: 1,
    message: `not finished: ${result.message}; these are the rows until then`,
  };
}

function hungFailure({ message, code }: HungPathError): QueryFailure {
  return { outcome: 'over_budget', code, message: clipMessage(message) };
}

function failureOf(result: CompileFailure | Failed): QueryFailure {
  const message = clipMessage(result.message);
  switch (result.code) {
    case 'over_budget':
      return { outcome: 'over_budget', code: `over_${result.limit}`, message };
    case 'unsupported_table':
      return { outcome: 'refused', code: 'unsupported_table', message };
    case 'unavailable':
      return { outcome: 'refused', code: 'table_unavailable', message };
    case 'failed':
    case 'stopped':
      return { outcome: 'error', code: 'query_failed', message };
    case 'sql_error':
      return { outcome: 'error', code: 'sql_error', message };
    default:
      return { outcome: 'error', code: `sql_${result.code}`, message };
  }
}

/** The schemas of gateway and agent differ (other versions): rows would be read under the wrong names. */
function mismatch(ours: readonly string[], asked: readonly string[]): QueryFailure {
  const message = `this agent's result has other columns (${ours.join(', ')}) than were asked for (${asked.join(', ')})`;
  return { outcome: 'error', code: 'schema_mismatch', message: clipMessage(message) };
}

function sameNames(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((name, index) => name === right[index]);
}
