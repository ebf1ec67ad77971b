import { isOrgId, type OrgId } from '@muster/protocol';
import { parseDurationMs } from '@muster/runtime';

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
