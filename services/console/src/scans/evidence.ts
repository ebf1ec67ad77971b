/** The rows of a finding as a table. */
export interface Evidence {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Rows that are there and not shown. */
  readonly more: number;
}

const MOST_ROWS = 6;
const MOST_COLUMNS = 12;

/** Reads the evidence of a finding. It is said by an endpoint, so it may be anything: text where it is no list of rows. */
export function readEvidence(evidence: string | null): Evidence | string {
  if (evidence === null) return '';
  let rows: unknown;
  try {
    rows = JSON.parse(evidence);
  } catch {
    return evidence;
  }
  if (!Array.isArray(rows) || !rows.every((row) => typeof row === 'object' && row !== null)) return evidence;
  const shown = rows.slice(0, MOST_ROWS) as Record<string, unknown>[];
  const columns = [...new Set(shown.flatMap((row) => Object.keys(row)))].slice(0, MOST_COLUMNS);
  return {
    columns,
    rows: shown.map((row) => columns.map((name) => textOf(row[name]))),
    more: rows.length - shown.length,
  };
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
