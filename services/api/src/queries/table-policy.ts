import { isRole, roleAtLeast } from '@muster/identity';
import { isOrgId, type OrgId } from '@muster/protocol';
import type { QueryRecord, Role } from '@muster/records';
import { checkTableAccess, SENSITIVITIES, TABLES, type Sensitivity } from '@muster/tables';
import type { Principal } from '../http/principal.js';

/** The lowest role that may ask the tables of a sensitivity, of one org or of those that have no rule of their own. */
export interface TableRule {
  readonly org?: OrgId;
  readonly sensitivity: Sensitivity;
  readonly role: Role | 'nobody';
}

/** Reads `[org/]sensitivity=role` pairs between commas; a text says what is wrong with them. */
export function parseTableRules(text: string): readonly TableRule[] | string {
  const rules: TableRule[] = [];
  for (const pair of text.split(',')) {
    const [, org, word, role] = /^(?:([^/=]+)\/)?([^/=]+)=([^=]+)$/.exec(pair.trim()) ?? [];
    const sensitivity = SENSITIVITIES.find((one) => one === word);
    if (sensitivity === undefined || role === undefined || !(role === 'nobody' || isRole(role))) return FAULT;
    if (org !== undefined && !isOrgId(org)) return `${org} is not the name of an org`;
    if (rules.some((one) => one.org === org && one.sensitivity === sensitivity)) return `${pair.trim()} comes twice`;
    rules.push({ sensitivity, role, ...(org === undefined ? {} : { org: org as OrgId }) });
  }
  return rules;
}

const FAULT = `must be pairs [org/]sensitivity=role; sensitivities are ${SENSITIVITIES.join(', ')}, roles are viewer, analyst, responder, admin, nobody`;

const SENSITIVE_NAMES = TABLES.flatMap(({ name, sensitivity }) => (sensitivity === undefined ? [] : [name]));

/** Says who may ask the tables that hold secrets or personal traces, and read what they answered. By default admins only. */
export class TablePolicy {
  readonly #rules: readonly TableRule[];

  constructor(rules: readonly TableRule[] = []) {
    this.#rules = rules;
  }

  /** The sensitivities whose tables this principal may ask. */
  allowed(principal: Pick<Principal, 'org' | 'role'>): Sensitivity[] {
    return SENSITIVITIES.filter((sensitivity) => {
      const least = this.#leastRole(principal.org, sensitivity);
      return least !== 'nobody' && roleAtLeast(principal.role, least);
    });
  }

  /** The lowest role for each sensitivity, in an org. */
  inForce(org: OrgId): readonly { readonly sensitivity: Sensitivity; readonly role: Role | 'nobody' }[] {
    return SENSITIVITIES.map((sensitivity) => ({ sensitivity, role: this.#leastRole(org, sensitivity) }));
  }

  #leastRole(org: OrgId, sensitivity: Sensitivity): Role | 'nobody' {
    const rules = this.#rules.filter((rule) => rule.sensitivity === sensitivity);
    const rule = rules.find((one) => one.org === org) ?? rules.find((one) => one.org === undefined);
    return rule?.role ?? 'admin';
  }

  /**
   * Whether the text of a statement has the name of a table that this principal may not ask. It may be no table there. A name has no other
   * spelling in SQL but that of its case, so a statement without such a word reads no such table.
   */
  mentionsForbidden(principal: Pick<Principal, 'org' | 'role'>, sql: string): boolean {
    return this.allowed(principal).length < SENSITIVITIES.length && mentioned(sql).length > 0;
  }

  /** @throws AppError `table_forbidden` */
  checkAsk(principal: Pick<Principal, 'org' | 'role'>, tables: readonly string[]): void {
    checkTableAccess(tables, this.allowed(principal));
  }

  /**
   * Rows of a query, and what failed or is missing in them, are for those who may ask its tables.
   * @throws AppError `table_forbidden`
   */
  checkRead(principal: Pick<Principal, 'org' | 'role'>, record: Pick<QueryRecord, 'tables' | 'sql'>): void {
    // One that an older service started does not say which tables it reads.
    this.checkAsk(principal, record.tables ?? mentioned(record.sql));
  }
}

function mentioned(sql: string): string[] {
  const text = sql.toLowerCase();
  return SENSITIVE_NAMES.filter((name) => text.includes(name));
}
