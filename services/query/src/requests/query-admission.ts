import { AppError, type OrgId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';

export interface AdmissionLimits {
  readonly perOperator: number;
  readonly perOrg: number;
  /** What is limited; default `queries running`. */
  readonly what?: string;
}

/**
 * Limits how many queries run at once in the whole deployment: those that have a running record, and those that this process is
 * starting. Services that start queries at the same moment may each exceed a limit by one. That is accepted: the limit shares capacity
 * fairly, it is no exact count.
 */
export class QueryAdmission {
  readonly #limits: AdmissionLimits;
  readonly #running: () => Iterable<Pick<QueryRecord, 'id' | 'org' | 'operator'>>;
  readonly #starting = new Map<string, Pick<QueryRecord, 'id' | 'org' | 'operator'>>();

  constructor(limits: AdmissionLimits, running: () => Iterable<Pick<QueryRecord, 'id' | 'org' | 'operator'>>) {
    this.#limits = limits;
    this.#running = running;
  }

  /**
   * Reserves a slot. The caller releases it, by the returned function, when the query is among the running ones or did not start.
   * @throws AppError `too_many_queries` with `scope`, `limit` and `running`.
   */
  enter(query: Pick<QueryRecord, 'id' | 'org' | 'operator'>): () => void {
    const { operator: byOperator, org: byOrg } = this.#count(query.org, query.operator);
    const { perOperator, perOrg, what = 'queries running' } = this.#limits;
    refuseOver('operator', byOperator, perOperator, what);
    refuseOver('org', byOrg, perOrg, what);
    this.#starting.set(query.id, query);
    return () => void this.#starting.delete(query.id);
  }

  #count(org: OrgId, operator: string): { operator: number; org: number } {
    const counted = new Set<string>();
    const count = { operator: 0, org: 0 };
    for (const query of [...this.#running(), ...this.#starting.values()]) {
      if (query.org !== org || counted.has(query.id)) continue;
      counted.add(query.id);
      count.org += 1;
      if (query.operator === operator) count.operator += 1;
    }
    return count;
  }
}

function refuseOver(scope: 'operator' | 'org', running: number, limit: number, what: string): void {
  if (running < limit) return;
  const whose = scope === 'operator' ? 'you have' : 'your org has';
  throw new AppError('too_many_queries', `${whose} ${running} ${what}, ${limit} are allowed; cancel one or wait`, {
    details: { scope, limit, running },
  });
}
