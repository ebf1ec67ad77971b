import {
  type Budget,
  type CheckOutcome,
  decodeRows,
  DEFAULT_BUDGET,
  encodeScanRow,
  isUnfinished,
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
  /** Why it is neither pass nor fail, or what its evidence lacks. */
  readonly reason?: string;
  /** The first rows, when they made it fail. */
  readonly evidence?: readonly Readonly<Record<string, unknown>>[];
}

type Note = { readonly refused: HungPathError | undefined; begin(hung: readonly string[]): void };

export const USED_UP = 'the time of the scan was used up before this check';
/** Without a number: equal outcomes of endpoints are counted together. */
const MORE_ROWS = 'there are more rows than are shown';
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
    const { text: evidence, isCut } = evidenceText(verdict.evidence, Math.min(chars, LIMITS.checkEvidenceChars));
    chars -= evidence?.length ?? 0;
    const reason = verdict.reason ?? (isCut ? MORE_ROWS : null);
    onRow(encodeScanRow({ check: index, outcome: verdict.outcome, reason, evidence }));
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
  let isCut = false;
  const verdict = judge(check, platform, (sql) => {
    const ms = Math.max(1, Math.ceil(untilMs - performance.now()));
    // Rows that were found before a budget ended are kept.
    const budget = { ...DEFAULT_BUDGET, ms: Math.min(ms, budgetMs), priority: 'low' as const };
    const asked = ask(engine, sql, budget, note);
    rows = asked.rows;
    isCut = asked.answer.kind === 'rows' && asked.answer.rows > rows.length;
    return asked.answer;
  });
  if (verdict.outcome !== 'fail' || rows.length === 0) return verdict;
  const { reason = isCut ? MORE_ROWS : undefined } = verdict;
  const evidence = rows.map((row) => shown(row, check.evidence));
  return { ...verdict, ...(reason === undefined ? {} : { reason }), evidence };
}

function ask(engine: SqlEngine, sql: string, budget: Budget, note: Note | undefined) {
  const chunks: Uint8Array[] = [];
  const request = { sql, budget, chunkBytes: LIMITS.chunkBytes };
  const run = runRequest(engine, request, (chunk) => void chunks.push(chunk), note);
  const { columns, failure, warnings = [] } = run;
  const values = chunks.flatMap((chunk) => decodeRows(chunk, columns.length));
  const rows = values.slice(0, EVIDENCE_ROWS).map((row) => objectOf(columns, row));
  if (failure === undefined) {
    const over = warnings.find(({ code }) => isUnfinished(code))?.message;
    const answer: CheckAnswer = {
      ...{ kind: 'rows', rows: values.length, complete: warnings.length === 0 },
      ...(over === undefined ? {} : { over }),
    };
    return { answer, rows };
  }
  const kind = failure.outcome === 'over_budget' ? 'over_budget' : 'error';
  const answer: CheckAnswer = { kind, message: failure.message };
  return { answer, rows };
}

/** As JSON: as many rows as fit; of one that is alone too long, its texts are cut. */
function evidenceText(
  rows: CheckVerdict['evidence'],
  max: number,
): { readonly text: string | null; readonly isCut: boolean } {
  if (rows === undefined) return { text: null, isCut: false };
  const parts: string[] = [];
  let length = 2;
  for (const row of rows) {
    const text = JSON.stringify(row);
    length += text.length + 1;
    if (length > max) break;
    parts.push(text);
  }
  if (parts.length > 0) return { text: `[${parts.join(',')}]`, isCut: parts.length < rows.length };
  const short = Object.entries(rows[0] ?? {}).map(([name, value]) => [
    name.slice(0, 64),
    String(value).slice(0, 60).toWellFormed(),
  ]);
  const text = JSON.stringify([Object.fromEntries(short)]);
  return { text: text.length <= max ? text : null, isCut: true };
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
