import type { CheckOutcome } from '@muster/protocol/vocabulary';
import type { Check } from '../format/pack-schema.js';

/** What the SELECT of a check, or its `applies_if`, gave on an endpoint. */
export type CheckAnswer =
  | {
      readonly kind: 'rows';
      readonly rows: number;
      /** False when something was there that could not be read, or not to its end. */
      readonly complete: boolean;
      /** It was ended by its budget: what was found until then. */
      readonly over?: string;
    }
  | { readonly kind: 'error' | 'over_budget'; readonly message: string };

export interface Verdict {
  readonly outcome: CheckOutcome;
  /** Why it is neither pass nor fail, or what its evidence lacks. */
  readonly reason?: string;
}

/** What of a check an endpoint needs. */
export type JudgedCheck = Pick<
  Check,
  'id' | 'platforms' | 'applies_if' | 'sql' | 'row_means' | 'evidence' | 'not_applicable'
>;

const INCOMPLETE = 'something that the check reads cannot be read here';

/**
 * The outcome of one check on one endpoint. What is not known is an error: an answer that lacks something is no pass
 * and no `not_applicable`. It is no pass with a row either, which a `NOT EXISTS` gives where nothing could be read. A
 * row that means fail stays one: a fault cannot be hidden behind something unreadable, or behind more of its kind than
 * the budget takes. `ask` runs a SELECT there.
 */
export function judge(check: JudgedCheck, platform: string, ask: (sql: string) => CheckAnswer): Verdict {
  if (check.not_applicable !== undefined) return { outcome: 'not_applicable', reason: check.not_applicable };
  if (!check.platforms.some((one) => one === platform))
    return { outcome: 'not_applicable', reason: `the check is for ${check.platforms.join(', ')}` };
  if (check.sql === undefined || check.row_means === undefined)
    return { outcome: 'error', reason: 'the check has no SELECT' };
  if (check.applies_if !== undefined) {
    const applies = ask(check.applies_if);
    if (applies.kind !== 'rows') return { outcome: applies.kind, reason: applies.message };
    if (applies.rows === 0 && !applies.complete) return unknown(applies);
    if (applies.rows === 0) return { outcome: 'not_applicable', reason: 'what it checks is not on this endpoint' };
  }
  const answer = ask(check.sql);
  if (answer.kind !== 'rows') return { outcome: answer.kind, reason: answer.message };
  if (answer.complete) {
    const isPass = answer.rows > 0 === (check.row_means === 'pass');
    return { outcome: isPass ? 'pass' : 'fail' };
  }
  if (answer.rows > 0 && check.row_means === 'fail') return { outcome: 'fail', reason: answer.over ?? INCOMPLETE };
  return unknown(answer);
}

function unknown({ over }: { readonly over?: string }): Verdict {
  return over === undefined ? { outcome: 'error', reason: INCOMPLETE } : { outcome: 'over_budget', reason: over };
}
