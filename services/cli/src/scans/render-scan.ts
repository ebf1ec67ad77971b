import type { CheckCountsJson, ScanJson } from '@muster/api-contract';
import { SEVERITIES, type Severity } from '@muster/packs';
import { ledgerWords } from '../query/summary.js';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { numberText } from '../terminal/listing.js';
import { renderTable, styleFor } from '../terminal/table.js';
import type { Terminal } from '../terminal/terminal.js';
import { elapsedText } from '../terminal/time-text.js';

const rank = (severity: string): number => SEVERITIES.findIndex((one) => one === severity);
const openFailures = ({ fail, excepted }: CheckCountsJson): number => fail - excepted;
const failsFirst = (one: CheckCountsJson, other: CheckCountsJson): number =>
  rank(other.severity) - rank(one.severity) || openFailures(other) - openFailures(one) || (one.id < other.id ? -1 : 1);

/** `87.5`, or a dash where there is none. */
export function scoreText(score: number | undefined): string {
  return score === undefined ? '-' : String(score);
}

/** Columns of numbers. */
const COUNTS: ReadonlySet<number> = new Set([2, 3, 4, 5, 6]);

/** The checks that fail or have no verdict, the most severe first, and below them the sum. */
export function renderScan(scan: ScanJson, { stdout, env }: Terminal): string {
  const style = styleFor(stdout.isTTY, env);
  const { checks = [], ledger, pack, state } = scan;
  const shown = checks.filter(({ fail, error, over_budget, uncounted }) => fail + error + over_budget + uncounted > 0);
  const rows = shown
    .toSorted(failsFirst)
    .map((check) => [
      ...[check.severity, escapeControls(check.id)],
      ...[
        check.fail - check.excepted,
        check.excepted,
        check.pass,
        check.not_applicable,
        check.error + check.over_budget + check.uncounted,
      ].map(numberText),
      escapeControls(check.title),
    ]);
  const headers = ['severity', 'check', 'fail', 'excepted', 'pass', 'not applicable', 'no verdict', 'title'];
  const table = rows.length === 0 ? '' : renderTable({ headers, numeric: COUNTS, width: stdout.columns, style }, rows);
  const lines = [`${escapeControls(pack.id)} ${escapeControls(pack.version)} ${style.dim(`(${scan.id})`)}`];
  const silent = checks.filter(({ pass, fail }) => pass + fail === 0).length;
  if (scan.recorded)
    lines.push(
      `score ${scoreText(scan.score)}; ${checks.length - shown.length} of ${checks.length} checks fail nowhere, ${silent} have no verdict anywhere`,
    );
  else lines.push(style.yellow('What it found is not counted yet.'));
  lines.push(
    `${state}: ${numberText(ledger.targeted)} targeted = ${ledgerWords(ledger) || 'nobody'}${elapsedText(scan.createdAt, scan.endedAt)}`,
  );
  if (scan.offline > 0)
    lines.push(style.dim(`${numberText(scan.offline)} more in scope are enrolled but not connected.`));
  if (scan.truncated !== undefined)
    lines.push(style.yellow(`Not everything was kept: ${escapeControls(scan.truncated)}`));
  return `${table}${lines.join('\n')}\n${changesText(scan)}`;
}

function changesText({ previous, changes }: ScanJson): string {
  if (previous === undefined || changes === undefined) return '';
  const part = (name: string, ids: readonly string[]): string =>
    ids.length === 0
      ? ''
      : `  ${name}: ${escapeControls(ids.slice(0, 10).join(', '))}${ids.length > 10 ? ` and ${ids.length - 10} more` : ''}\n`;
  const words =
    part('fails now', changes.fails) + part('fails on more', changes.spreads ?? []) + part('mended', changes.mended);
  return `since ${previous.id} (score ${scoreText(previous.score)}): ${changes.still.length} checks still fail\n${words}`;
}

/** Rows of JSON in few words. */
export function evidenceText(evidence: string | null): string {
  if (evidence === null) return '';
  try {
    const rows = JSON.parse(evidence) as unknown;
    if (!Array.isArray(rows)) return evidence;
    const words = rows.slice(0, 3).map((row: unknown) =>
      Object.entries(row ?? {})
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(' '),
    );
    return words.join('; ') + (rows.length > 3 ? `; and ${rows.length - 3} more` : '');
  } catch {
    // Said by an endpoint: it may be anything.
    return evidence;
  }
}

/** Somewhere it could not be judged. */
const isUnknown = ({ error, over_budget, uncounted }: CheckCountsJson): boolean => error + over_budget + uncounted > 0;

/**
 * 4 when a check of `failOn` or above fails without an exception; 3 when something of the scan is missing: also when
 * nobody was asked, and when one endpoint has no verdict on a check that `failOn` names. 0 says that these checks fail
 * on none of those that were asked.
 */
export function scanExit(scan: ScanJson, failOn: Severity | undefined): ExitCode {
  const { checks = [], ledger, state, truncated, recorded } = scan;
  const named = failOn === undefined ? [] : checks.filter(({ severity }) => rank(severity) >= rank(failOn));
  if (named.some((check) => openFailures(check) > 0)) return EXIT.findings;
  if (ledger.targeted === 0 || named.some(isUnknown)) return EXIT.partial;
  const isWhole = recorded && state === 'complete' && truncated === undefined && (ledger.away ?? 0) === 0;
  // Every answer has an outcome of each check: an empty one is none.
  return isWhole && ledger.answered === ledger.targeted ? EXIT.complete : EXIT.partial;
}
