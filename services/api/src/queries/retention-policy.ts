import { AppError, isOrgId, LIMITS, type OrgId } from '@muster/protocol';
import { parseDurationMs } from '@muster/runtime';
import { HUNT_SLACK_MS, longestHuntMs } from '@muster/service-base';

/** For how long the results of an org's queries are kept. */
export interface RetentionRule {
  readonly org: OrgId;
  /** After the end of the query. */
  readonly ms: number;
}

/** Who follows a query, or comes back to it, must still find its rows. */
const LEAST_MS = 3_600_000;
const FAULT = 'must be pairs of org=duration, at least 1h each: acme=7d,other=12h';

/** Reads `acme=7d,other=12h`; a text says what is wrong. */
export function parseRetentionRules(text: string): readonly RetentionRule[] | string {
  const rules: RetentionRule[] = [];
  for (const pair of text.split(',')) {
    const [, org = '', duration = ''] = /^([^=]+)=([^=]+)$/.exec(pair.trim()) ?? [];
    const ms = parseDurationMs(duration);
    if (!isOrgId(org) || ms === undefined || ms < LEAST_MS) return FAULT;
    if (rules.some((one) => one.org === org)) return `${org} comes twice`;
    rules.push({ org, ms });
  }
  return rules;
}

const DAY_MS = 86_400_000;
/** Where the policy says nothing of an org. */
const USUAL_MS = 30 * DAY_MS;

/**
 * For how long results are kept after the end of their query, and so how long a hunt may wait: its first results are as
 * old as itself then.
 */
export class RetentionPolicy {
  readonly rules: readonly RetentionRule[];
  readonly #keptMs: number;

  /** `keptMs`: the age at which the stream drops each entry of a result, whatever the policy says. */
  constructor(rules: readonly RetentionRule[], keptMs: number) {
    this.rules = rules;
    this.#keptMs = keptMs;
  }

  /** For orgs without a rule; `undefined` where the stream drops everything earlier. */
  get usualMs(): number | undefined {
    return this.#keptMs > USUAL_MS ? USUAL_MS : undefined;
  }

  /**
   * How long a hunt of an org may wait so that all it found is kept for the time of the policy after its end. Where a
   * stream of a shorter age leaves no room beside the usual time, hunts and what they found share it.
   */
  longestWaitMs(org: OrgId): number {
    const rule = this.rules.find((one) => one.org === org);
    const afterMs = rule?.ms ?? Math.min(USUAL_MS, Math.max(this.#keptMs - LIMITS.huntMaxMs, this.#keptMs / 2));
    return longestHuntMs(this.#keptMs, afterMs);
  }

  /**
   * Of a query or a scan.
   * @throws AppError `bad_request`: its first results would be gone before the time of the policy is over
   */
  checkWaitUntil(org: OrgId, waitUntilMs: number | undefined, nowMs: number): void {
    if (waitUntilMs !== undefined) this.#check(org, waitUntilMs - nowMs, 'waitUntil', ' from now');
  }

  /** The same, of each scan of a schedule. */
  checkWait(org: OrgId, waitMs: number | undefined): void {
    if (waitMs !== undefined) this.#check(org, waitMs, 'wait');
  }

  #check(org: OrgId, waitMs: number, field: string, from = ''): void {
    const maxMs = this.longestWaitMs(org);
    // Longer than any hunt may wait is refused by the query service.
    if (maxMs === LIMITS.huntMaxMs || waitMs <= maxMs + HUNT_SLACK_MS) return;
    const kept = `results are kept for ${days(this.#keptMs)} in all`;
    const rule = this.rules.find((one) => one.org === org);
    const after = rule === undefined ? 'half of that' : days(rule.ms);
    throw new AppError(
      'bad_request',
      `${field} must be at most ${days(maxMs)}${from}: ${kept}, and what a hunt found for ${after} after its end`,
      { details: { field, maxMs } },
    );
  }
}

function days(ms: number): string {
  return ms < DAY_MS ? `${Math.floor(ms / 3_600_000)} h` : `${Math.floor(ms / DAY_MS)} days`;
}
