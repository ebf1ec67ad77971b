import type { StartQuery } from '@muster/messages';
import { AppError, boundedSelector, isOrgId, isQueryId, LIMITS } from '@muster/protocol';
import type { CompiledSql, SqlCompiler } from '../sql/sql-compiler.js';

/** A checked query: what is sent to the endpoints, and which endpoints are in its scope. */
export interface QueryPlan extends CompiledSql {
  /** The requested selector and the operator's own selector together. */
  readonly scope: string;
}

type QueryDraft = Omit<StartQuery, 't'>;

/**
 * Checks a query before anything is sent, the faults that a person corrects first at the beginning.
 * @throws AppError `bad_request`, `bad_selector`, `bad_timeout`, `too_many_queries` or `sql_*`.
 */
export async function planQuery(
  compiler: Pick<SqlCompiler, 'compile' | 'compileReduce'>,
  draft: QueryDraft,
): Promise<QueryPlan> {
  checkShape(draft);
  const { text: scope } = boundedSelector(draft.selector, draft.bound, draft.among !== undefined);
  checkTimeout(draft.timeoutMs);
  const owner = `${draft.org}/${draft.operator}`;
  const compiled = await compiler.compile(draft.sql, owner);
  if (draft.reduce !== undefined) {
    await compiler.compileReduce(draft.reduce, { form: draft.mode, columns: compiled.columns }, owner);
  }
  return { ...compiled, scope };
}

/** More than this is refused: heartbeats repeat it. About 40,000 endpoints whose numbers are not neighbours. */
const MAX_AMONG_BYTES = 96 * 1_024;

/** The API has checked the operator's input; this catches what another caller on the bus may get wrong. */
function checkShape(draft: QueryDraft): void {
  const texts = [draft.sql, draft.selector, draft.bound, draft.operator, draft.operatorName];
  if (texts.some((text) => typeof text !== 'string') || !['raw', 'group'].includes(draft.mode)) {
    throw new AppError(
      'bad_request',
      'the query needs sql, selector, bound, operator, operatorName and a mode, raw or group',
    );
  }
  if (draft.id !== undefined && !isQueryId(draft.id))
    throw new AppError('bad_request', 'the id is not one of a query', { details: { field: 'id' } });
  if (draft.among !== undefined && !(draft.among instanceof Uint8Array && draft.among.length <= MAX_AMONG_BYTES))
    throw new AppError(
      'bad_selector',
      'health selects too many endpoints here and there; select fewer by other labels',
      {
        details: { field: 'selector', offset: 0 },
      },
    );
  if (!isOrgId(draft.org))
    throw new AppError('bad_request', 'the org is not a valid name', { details: { field: 'org' } });
}

function checkTimeout(timeoutMs: number): void {
  const { queryTimeoutMinMs: min, queryTimeoutMaxMs: max } = LIMITS;
  if (Number.isInteger(timeoutMs) && timeoutMs >= min && timeoutMs <= max) return;
  throw new AppError('bad_timeout', `the timeout must be from ${min / 1_000} s to ${max / 1_000} s`, {
    details: { field: 'timeout', minMs: min, maxMs: max },
  });
}
