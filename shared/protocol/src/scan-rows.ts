import { CHECK_OUTCOMES, type CheckOutcome } from './check-outcomes.js';
import { encodeCbor } from './cbor.js';
import { LIMITS } from './limits.js';
import { decodeRows } from './rows.js';

/**
 * The answer of an endpoint to a pack: one row for each check, in the sequence of the pack. `check` is its index from
 * 0. `evidence` is JSON, the rows that made it fail.
 */
export const SCAN_COLUMNS = ['check', 'outcome', 'reason', 'evidence'] as const;

export interface ScanRow {
  readonly check: number;
  readonly outcome: CheckOutcome;
  readonly reason: string | null;
  readonly evidence: string | null;
}

const OUTCOMES: ReadonlySet<unknown> = new Set(CHECK_OUTCOMES);

/** One row. Texts over their bounds are cut. */
export function encodeScanRow({ check, outcome, reason, evidence }: ScanRow): Uint8Array {
  return encodeCbor([check, outcome, clip(reason, LIMITS.checkReasonChars), clip(evidence, LIMITS.checkEvidenceChars)]);
}

/** One decoded row, or `undefined` for values that are no row of a scan. */
export function readScanRow(row: readonly unknown[]): ScanRow | undefined {
  const [check, outcome, reason, evidence] = row;
  if (row.length !== SCAN_COLUMNS.length || typeof check !== 'number' || !Number.isInteger(check) || check < 0)
    return undefined;
  if (!OUTCOMES.has(outcome) || !isText(reason, LIMITS.checkReasonChars)) return undefined;
  if (!isText(evidence, LIMITS.checkEvidenceChars)) return undefined;
  return { check, outcome: outcome as CheckOutcome, reason, evidence };
}

/**
 * Why these rows are no whole answer to a pack of so many checks, or `undefined`. What an endpoint leaves out, says
 * twice or makes up must not be counted.
 */
export function scanAnswerFault(rows: Uint8Array, checks: number): string | undefined {
  const decoded = decodeRows(rows, SCAN_COLUMNS.length);
  if (decoded.length !== checks) return `it has ${decoded.length} outcomes for ${checks} checks`;
  let evidence = 0;
  for (const [index, row] of decoded.entries()) {
    const read = readScanRow(row);
    if (read?.check !== index) return `its row ${index + 1} is not the outcome of check ${index + 1}`;
    evidence += read.evidence?.length ?? 0;
  }
  return evidence > LIMITS.scanEvidenceChars ? 'it has too much evidence' : undefined;
}

function isText(value: unknown, max: number): value is string | null {
  return value === null || (typeof value === 'string' && value.length <= max);
}

function clip(text: string | null, max: number): string | null {
  return text === null || text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`;
}
