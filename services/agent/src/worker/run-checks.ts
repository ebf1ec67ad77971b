import {
  type Budget,
  type CheckOutcome,
  decodeRows,
  DEFAULT_BUDGET,
  encodeScanRow,
  LIMITS,
  type SqlValue,
  sqlValueToJson,
} from '@muster/protocol';
import { type CheckAnswer, judge, type JudgedCheck } from '@muster/packs/verdict';
import type { SqlEngine } from '@muster/tables';
import { thisPlatform } from '../host/facts.js';
import type { ChecksRequest } from './messages.js';
import type { HungPathError } from './path-note.js';
import { runRequest } from './run-request.js';

/** What one check says of this machine. */
export interface CheckVerdict {
  readonly outcome: CheckOutcome;
  /** Why it is neither pass nor fail. */
  readonly reason?: string;
  /** The first rows, when they made it fail. */
  readonly evidence?: readonly Readonly<Record<string, unknown>>[];
}

type Note = { readonly refused: HungPathError | undefined; begin(hung: readonly string[]): void };

export const USED_UP = 'the time of the scan was used up before this check';
const EVIDENCE_ROWS = 20;

/** Runs the checks of a pack, and gives one row for each as soon as it is known. What has no time left is over budget. */
export function runChecks(
  engine: SqlEngine,
  { scan, hung }: { readonly scan: ChecksRequest; readonly hung: readonly string[] },
  onRow: (row: Uint8Array) => void,
  note: Note,
): void {
  const untilMs = performance.now() + scan.budgetMs;
  let chars = scan.evidenceChars;
  for (let index = scan.from; index < scan.checks.length; index += 1) {
    const check = scan.checks[index];
    if (check === undefined) return;
    const leftMs = Math.floor(untilMs - performance.now());
    note.begin(hung);
    const verdict: CheckVerdict =
      leftMs <= 0
        ? { outcome: 'over_budget', reason: USED_UP }
        : runCheck(engine, check, { budgetMs: Math.min(leftMs, scan.checkMs), note });
    const evidence = evidenceText(verdict.evidence, Math.min(chars, LIMITS.checkEvidenceChars));
    chars -= evidence?.length ?? 0;
    onRow(encodeScanRow({ check: index, outcome: verdict.outcome, reason: verdict.reason ?? null, evidence }));
  }
}

/** Runs one check on the tables of an engine. Both of its statements share `budgetMs`. */
export function runCheck(
  engine: SqlEngine,
  check: JudgedCheck,
  options: { readonly platform?: string; readonly budgetMs?: number; readonly note?: Note } = {},
): CheckVerdict {
  const { platform = thisPlatform(), budgetMs = DEFAULT_BUDGET.ms, note } = options;
  const untilMs = performance.now() + budgetMs;
  let rows: Readonly<Record<string, unknown>>[] = [];
  const verdict = judge(check, platform, (sql) => {
    const ms = Math.max(1, Math.ceil(untilMs - performance.now()));
    const asked = ask(engine, sql, { ...DEFAULT_BUDGET, ms: Math.min(ms, budgetMs) }, note);
    rows = asked.rows;
    return asked.answer;
  });
  if (verdict.outcome !== 'fail' || rows.length === 0) return verdict;
  return { ...verdict, evidence: rows.map((row) => shown(row, check.evidence)) };
}

function ask(engine: SqlEngine, sql: string, budget: Budget, note: Note | undefined) {
  const chunks: Uint8Array[] = [];
  const request = { sql, budget, chunkBytes: LIMITS.chunkBytes };
  const run = runRequest(engine, request, (chunk) => void chunks.push(chunk), note);
  const { columns, failure, warnings = [] } = run;
  const values = chunks.flatMap((chunk) => decodeRows(chunk, columns.length));
  const rows = values.slice(0, EVIDENCE_ROWS).map((row) => objectOf(columns, row));
  if (failure === undefined) {
    const answer: CheckAnswer = { kind: 'rows', rows: values.length, complete: warnings.length === 0 };
    return { answer, rows };
  }
  const kind = failure.outcome === 'over_budget' ? 'over_budget' : 'error';
  const answer: CheckAnswer = { kind, message: failure.message };
  return { answer, rows };
}

/** As JSON: as many rows as fit; of one that is alone too long, its texts are cut. */
function evidenceText(rows: CheckVerdict['evidence'], max: number): string | null {
  if (rows === undefined) return null;
  const parts: string[] = [];
  let length = 2;
  for (const row of rows) {
    const text = JSON.stringify(row);
    length += text.length + 1;
    if (length > max) break;
    parts.push(text);
  }
  if (parts.length > 0) return `[${parts.join(',')}]`;
  const short = Object.entries(rows[0] ?? {}).map(([name, value]) => [
    name.slice(0, 64),
    String(value).slice(0, 60).toWellFormed(),
  ]);
  const text = JSON.stringify([Object.fromEntries(short)]);
  return text.length <= max ? text : null;
}

function objectOf(columns: readonly string[], row: readonly SqlValue[]): Record<string, unknown> {
  return Object.fromEntries(columns.map((name, i) => [name, sqlValueToJson(row[i] ?? null)]));
}

function shown(
  row: Readonly<Record<string, unknown>>,
  columns: readonly string[] | undefined,
): Record<string, unknown> {
  const names = columns ?? Object.keys(row);
  return Object.fromEntries(names.map((name) => [name, row[name]]));
}
