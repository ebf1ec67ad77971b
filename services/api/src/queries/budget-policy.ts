import { isRole, ROLES } from '@muster/identity';
import { AppError, LIMITS } from '@muster/protocol';
import type { QueryBudget, Role } from '@muster/records';
import { parseDurationMs } from '@muster/runtime/quantity';
import type { Principal } from '../http/principal.js';

/** The time that a query of a role, and of the roles above it, may take on one endpoint. */
export interface BudgetRule {
  readonly role: Role;
  readonly ms: number;
}

/** Analysts may search an endpoint for ten minutes. */
export const DEFAULT_BUDGETS: readonly BudgetRule[] = [{ role: 'analyst', ms: LIMITS.budgetMaxMs }];

const FAULT = `must be pairs role=duration, such as analyst=1m,admin=10m; up to ${LIMITS.budgetMaxMs / 60_000}m`;

/** Reads `role=duration` pairs between commas; a text says what is wrong with them. */
export function parseBudgetRules(text: string): readonly BudgetRule[] | string {
  const rules: BudgetRule[] = [];
  for (const pair of text.split(',')) {
    const [, role = '', duration = ''] = /^([^=]+)=([^=]+)$/.exec(pair.trim()) ?? [];
    const ms = parseDurationMs(duration);
    if (!isRole(role) || ms === undefined || ms > LIMITS.budgetMaxMs) return FAULT;
    if (rules.some((one) => one.role === role)) return `${role} comes twice`;
    rules.push({ role, ms });
  }
  return rules;
}

/** Says how long a query of whom may take on one endpoint. What every query may take is never refused. */
export class BudgetPolicy {
  readonly #rules: readonly BudgetRule[];

  constructor(rules: readonly BudgetRule[] = DEFAULT_BUDGETS) {
    this.#rules = rules;
  }

  /** How long a query of each role may take on one endpoint. */
  get inForce(): readonly { readonly role: Role; readonly maxMs: number }[] {
    return ROLES.map((role) => ({ role, maxMs: this.#mostMs(role) }));
  }

  /** @throws AppError `forbidden` */
  check({ role }: Pick<Principal, 'role'>, budget: QueryBudget | undefined): void {
    if (budget === undefined) return;
    const mayMs = this.#mostMs(role);
    if (budget.ms <= mayMs) return;
    const needed = ROLES.find((one) => this.#mostMs(one) >= budget.ms);
    const who = needed === undefined ? 'nobody may ask for more' : `more takes the role ${needed}`;
    throw new AppError(
      'forbidden',
      `with the role ${role} a query may take ${mayMs / 1_000} s on an endpoint: ${who}`,
      {
        details: { field: 'budget', maxMs: mayMs, ...(needed === undefined ? {} : { required: needed }) },
      },
    );
  }

  /** What the rule of the role says, or the nearest one below it. */
  #mostMs(role: Role): number {
    const below = ROLES.slice(0, ROLES.indexOf(role) + 1);
    const rule = below.findLast((one) => this.#rules.some((each) => each.role === one));
    return Math.max(LIMITS.budgetMs, this.#rules.find((one) => one.role === rule)?.ms ?? 0);
  }
}
