import type { PackCheckJson } from '@muster/api-contract';

const PLATFORMS = 3;

/**
 * The statement of a check as a question: a row for each object that fails, or one row for an endpoint where the check
 * wants rows and has none.
 */
export function failingSql({ sql, row_means, applies_if }: PackCheckJson): string | undefined {
  if (sql === undefined) return undefined;
  const statement = bare(sql);
  const applies = applies_if === undefined ? '' : `EXISTS (\n${bare(applies_if)}\n)`;
  if (row_means === 'pass')
    return `SELECT 'no such row' AS fails WHERE NOT EXISTS (\n${statement}\n)${applies === '' ? '' : ` AND ${applies}`}`;
  return applies === '' ? statement : `SELECT * FROM (\n${statement}\n) WHERE ${applies}`;
}

/** The endpoints of a scan that a check is for. */
export function selectorFor(selector: string, { platforms }: PackCheckJson): string {
  const os = platforms.length === PLATFORMS ? '' : `os in (${platforms.join(',')})`;
  return [selector, os].filter((part) => part !== '').join(',');
}

/** Without what ends a statement; a comment at its end keeps its line. */
function bare(sql: string): string {
  return sql.trim().replace(/;\s*$/, '');
}
