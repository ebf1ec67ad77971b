import type { StartQuery } from '@muster/messages';
import {
  AppError,
  boundedSelector,
  isOrgId,
  isQueryId,
  LIMITS,
  parseSelector,
  SCAN_COLUMNS,
  type SqlParameter,
  sqlParametersFault,
  usesHealth,
} from '@muster/protocol';
import type { PackReference } from '@muster/records';
import { checkTableAccess } from '@muster/tables';
import type { CompiledSql, SqlCompiler } from '../sql/sql-compiler.js';

/** A checked query: what is sent to the endpoints, and which endpoints are in its scope. */
export interface QueryPlan extends CompiledSql {
  /** The requested selector and the operator's own selector together. */
  readonly scope: string;
}

type QueryDraft = Omit<StartQuery, 't'>;

/**
 * Checks a query before anything is sent, the faults that a person corrects first at the beginning.
 * @throws AppError `bad_request`, `bad_selector`, `table_forbidden`, `bad_timeout`, `too_many_queries` or `sql_*`.
 */
export async function planQuery(
  compiler: Pick<SqlCompiler, 'compile' | 'compileReduce'>,
  draft: QueryDraft,
): Promise<QueryPlan> {
  checkShape(draft);
  const { text: scope } = boundedSelector(draft.selector, draft.bound, draft.among !== undefined);
  checkTimeout(draft.timeoutMs);
  checkBudget(draft.budget);
  if (draft.pack !== undefined) return planScan(draft, draft.pack, scope);
  const owner = `${draft.org}/${draft.operator}`;
  const { parameters = [], reduce } = draft;
  checkParameters(parameters);
  const compiled = await compiler.compile(draft.sql, { owner, parameters });
  // The tables as SQLite found them: names in texts, comments or aliases do not count.
  checkTableAccess(compiled.tables, draft.sensitivities ?? []);
  const used = [...compiled.parameters];
  if (reduce !== undefined) {
    const shape = { form: draft.mode, columns: compiled.columns };
    used.push(...(await compiler.compileReduce(reduce, shape, { owner, parameters })).parameters);
  }
  const unused = parameters.find(({ name }) => !used.includes(name));
  if (unused !== undefined) throw badParameters(`nothing in the SQL is called :${unused.name}`, unused.name);
  return { ...compiled, scope };
}

/** A pack was compiled when it was applied, and somebody vouched for it: no statement of the caller runs. */
function planScan({ reduce, parameters }: QueryDraft, pack: PackReference, scope: string): QueryPlan {
  const { packChecks } = LIMITS;
  if (reduce !== undefined || parameters !== undefined)
    throw new AppError('bad_request', 'a scan takes no reduce statement and no parameters');
  if (!/^[0-9a-f]{64}$/.test(pack.hash) || !(pack.checks > 0 && pack.checks <= packChecks))
    throw new AppError('bad_request', `the pack ${pack.id} has no hash, or more than ${packChecks} checks`);
  return { columns: [...SCAN_COLUMNS], tables: [], parameters: [], scope };
}

/** @throws AppError `bad_request` for values that cannot be bound. */
export function checkParameters(parameters: readonly SqlParameter[]): void {
  const fault = Array.isArray(parameters) ? sqlParametersFault(parameters) : 'they are no list';
  if (fault !== undefined) throw badParameters(fault);
}

function badParameters(message: string, name?: string): AppError {
  const field = name === undefined ? 'parameters' : `parameters.${name}`;
  return new AppError('bad_request', `${field}: ${message}`, { details: { field } });
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
  const { sensitivities } = draft;
  if (
    sensitivities !== undefined &&
    !(Array.isArray(sensitivities) && sensitivities.every((one) => typeof one === 'string'))
  )
    throw new AppError('bad_request', 'the sensitivities are not a list of texts');
  if (draft.id !== undefined && !isQueryId(draft.id))
    throw new AppError('bad_request', 'the id is not one of a query', { details: { field: 'id' } });
  if (draft.among !== undefined && !(draft.among instanceof Uint8Array && draft.among.length <= MAX_AMONG_BYTES))
    throw tooManyNamed(draft);
  if (!isOrgId(draft.org))
    throw new AppError('bad_request', 'the org is not a valid name', { details: { field: 'org' } });
}

/** A set of endpoints comes from a retry, from ids, or from `health` in the selector. */
function tooManyNamed({ retryOf, selector }: QueryDraft): AppError {
  const parsed = typeof selector === 'string' ? parseSelector(selector) : undefined;
  if (retryOf !== undefined)
    return new AppError(
      'bad_request',
      `too many endpoints of query ${retryOf} here and there have no answer to ask them alone; give some outcomes, or ask the question anew`,
      { details: { field: 'retryOf' } },
    );
  if (parsed?.ok !== true || !usesHealth(parsed.selector))
    return new AppError('bad_request', 'too many endpoints here and there are named; name fewer, or select by labels', {
      details: { field: 'agents' },
    });
  const message = 'health selects too many endpoints here and there; select fewer by other labels';
  return new AppError('bad_selector', message, { details: { field: 'selector', offset: 0 } });
}

function checkBudget(budget: QueryDraft['budget']): void {
  if (budget === undefined) return;
  const { ms, priority } = budget;
  const isLow = priority === 'low';
  const maxMs = isLow ? LIMITS.budgetMaxMs : LIMITS.budgetMs;
  if (Number.isInteger(ms) && ms >= LIMITS.budgetMinMs && ms <= maxMs && (isLow || priority === 'normal')) return;
  throw new AppError(
    'bad_request',
    `budget: one endpoint may spend ${LIMITS.budgetMinMs / 1_000} s to ${LIMITS.budgetMs / 1_000} s on a query, and up to ${LIMITS.budgetMaxMs / 60_000} min at low priority`,
    { details: { field: 'budget', minMs: LIMITS.budgetMinMs, maxMs } },
  );
}

function checkTimeout(timeoutMs: number): void {
  const { queryTimeoutMinMs: min, queryTimeoutMaxMs: max } = LIMITS;
  if (Number.isInteger(timeoutMs) && timeoutMs >= min && timeoutMs <= max) return;
  throw new AppError('bad_timeout', `the timeout must be from ${min / 1_000} s to ${max / 1_000} s`, {
    details: { field: 'timeout', minMs: min, maxMs: max },
  });
}
