import type { StartQuery } from '@muster/messages';
import { AppError, isOrgId, joinSelectors, LIMITS, parseSelector } from '@muster/protocol';
import type { CompiledSql, SqlCompiler } from '../sql/sql-compiler.js';

/** A question that was found to make sense: what will be asked, of whom. */
export interface QueryPlan extends CompiledSql {
  /** The asked selector and the operator's bound together. */
  readonly scope: string;
}

type Question = Omit<StartQuery, 't'>;

/**
 * Checks a question in the order in which a person would want to hear of faults, before anything is sent to anybody.
 * @throws AppError `bad_request`, `bad_selector`, `bad_timeout` or `sql_*`.
 */
export async function planQuery(
  compiler: Pick<SqlCompiler, 'compile' | 'compileReduce'>,
  question: Question,
): Promise<QueryPlan> {
  checkShape(question);
  const scope = checkScope(question);
  checkTimeout(question.timeoutMs);
  const compiled = await compiler.compile(question.sql);
  if (question.reduce !== undefined) {
    await compiler.compileReduce(question.reduce, { mode: question.mode, columns: compiled.columns });
  }
  return { ...compiled, scope };
}

/** The API has checked the operator's input; this catches what another caller on the bus may get wrong. */
function checkShape(question: Question): void {
  const texts = [question.sql, question.selector, question.bound, question.operator, question.operatorName];
  if (texts.some((text) => typeof text !== 'string') || !['raw', 'group'].includes(question.mode)) {
    throw new AppError(
      'bad_request',
      'the query needs sql, selector, bound, operator, operatorName and a mode, raw or group',
    );
  }
  if (!isOrgId(question.org))
    throw new AppError('bad_request', 'the org is not a valid name', { details: { field: 'org' } });
}

function checkScope({ selector, bound }: Question): string {
  const asked = parseSelector(selector);
  if (!asked.ok) {
    throw new AppError('bad_selector', asked.message, { details: { field: 'selector', offset: asked.offset } });
  }
  const limit = parseSelector(bound);
  if (!limit.ok) {
    // The operator cannot mend this one: it belongs to the token.
    throw new AppError('bad_selector', `the selector that bounds this operator: ${limit.message}`, {
      details: { field: 'bound', offset: limit.offset },
    });
  }
  const scope = joinSelectors(selector, bound);
  const joined = parseSelector(scope);
  if (!joined.ok) {
    throw new AppError('bad_selector', `together with the one that bounds this operator: ${joined.message}`, {
      details: { field: 'selector', offset: joined.offset },
    });
  }
  return scope;
}

function checkTimeout(timeoutMs: number): void {
  const { queryTimeoutMinMs: min, queryTimeoutMaxMs: max } = LIMITS;
  if (Number.isInteger(timeoutMs) && timeoutMs >= min && timeoutMs <= max) return;
  throw new AppError('bad_timeout', `the timeout must be from ${min / 1_000} s to ${max / 1_000} s`, {
    details: { field: 'timeout', minMs: min, maxMs: max },
  });
}
