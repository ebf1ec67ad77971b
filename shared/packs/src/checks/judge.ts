import type { CheckOutcome } from '@muster/protocol/vocabulary';
import type { Check } from '../format/pack-schema.js';

/** What the SELECT of a check, or its `applies_if`, gave on an endpoint. */
export type CheckAnswer =
  | {
      readonly kind: 'rows';
      readonly rows: number;
      /** False when something was there that could not be read: no row then says nothing. */
      readonly complete: boolean;
    }
  | { readonly kind: 'error' | 'over_budget'; readonly message: string };

export interface Verdict {
  readonly outcome: CheckOutcome;
  /** Why it is neither pass nor fail. */
  readonly reason?: string;
}

/** What of a check an endpoint needs. */
export type JudgedCheck = Pick<
  Check,
  'id' | 'platforms' | 'applies_if' | 'sql' | 'row_means' | 'evidence' | 'not_applicable'
>;

const INCOMPLETE = 'something that the check reads cannot be read here';

/**
 * The outcome of one check on one endpoint. What is not known is an error: without a row, an answer that lacks something is no pass, and no
 * `not_applicable` either. `ask` runs a SELECT there.
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
    if (applies.rows === 0 && !applies.complete) return { outcome: 'error', reason: INCOMPLETE };
    if (applies.rows === 0) return { outcome: 'not_applicable', reason: 'what it checks is not on this endpoint' };
  }
  const answer = ask(check.sql);
  if (answer.kind !== 'rows') return { outcome: answer.kind, reason: answer.message };
  if (answer.rows > 0) return { outcome: check.row_means };
  if (!answer.complete) return { outcome: 'error', reason: INCOMPLETE };
  return { outcome: check.row_means === 'fail' ? 'pass' : 'fail' };
}
