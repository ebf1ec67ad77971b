import { isAnswer, isUnfinished, ledgerComplete, LIMITS, OUTCOMES } from '@muster/protocol';
import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import type { FailureJson, QueryJson, WarningJson } from '@muster/api-contract';
import { escapeControls } from '../terminal/escape.js';
import { renderTable, type Style } from '../terminal/table.js';
import { numberText } from '../terminal/listing.js';
import { elapsedText } from '../terminal/time-text.js';

const NAMED = 10;
const REASONS = 10;

/** The ledger in words, and below it why endpoints did not answer; there may be thousands. */
export function renderSummary(
  query: QueryJson,
  { failures, warnings }: { readonly failures: readonly FailureJson[]; readonly warnings: readonly WarningJson[] },
  style: Style,
  width: number | undefined,
  link?: string,
): string {
  const lines = [headline(query, style)];
  if (link !== undefined) lines.push(style.dim(link));
  if (query.truncated !== undefined)
    lines.push(style.yellow(`Not everything was kept: ${escapeControls(query.truncated)}`));
  const { away } = query.ledger;
  if (away !== undefined) {
    const them = away === 1 ? 'endpoint in scope was' : 'endpoints in scope were';
    if (away > 0) lines.push(style.yellow(`${numberText(away)} ${them} away and not asked yet.`));
  } else if (query.ledger.targeted === 0) lines.push(style.yellow(nobody(query)));
  else if (query.offline > 0)
    lines.push(
      style.dim(
        `${numberText(query.offline)} more in scope ${query.offline === 1 ? 'is' : 'are'} enrolled but not connected.`,
      ),
    );
  let text = `${lines.join('\n')}\n`;
  if (failures.length > 0) {
    const reasons = byReason(failures);
    const headers = ['endpoints', 'outcome', 'code', 'why'];
    text += `Did not answer:\n${renderTable({ headers, numeric: new Set([0]), width, style }, reasons.slice(0, REASONS))}`;
    if (reasons.length > REASONS) text += style.dim(`… and ${numberText(reasons.length - REASONS)} more reasons\n`);
    text += style.dim(`muster queries endpoints ${query.id} names them\n`);
    if (failures.some(({ code }) => code === 'over_time') && (query.budget?.ms ?? 0) < LIMITS.budgetMaxMs)
      text += style.dim(
        'Out of time: constrain an indexed column (muster tables NAME), or give it more at low priority (--budget 10m).\n',
      );
  }
  return text + warningsText(query, warnings, style, width);
}

/**
 * Failures counted by outcome and code, the most frequent first. The text is that of the first; of a single endpoint it
 * comes with the name.
 */
function byReason(failures: readonly FailureJson[]): string[][] {
  const reasons = new Map<string, FailureJson[]>();
  for (const failure of failures) {
    const key = `${failure.outcome} ${failure.code}`;
    const known = reasons.get(key);
    if (known === undefined) reasons.set(key, [failure]);
    else known.push(failure);
  }
  return [...reasons.values()]
    .toSorted((a, b) => b.length - a.length)
    .map((same) => {
      const { host, num, outcome, code, message } = same[0] as FailureJson;
      return [numberText(same.length), outcome, code, same.length === 1 ? `${host ?? `#${num}`}: ${message}` : message];
    });
}

/** What answers lack: rows that are printed look whole. */
function warningsText(
  { warned }: QueryJson,
  warnings: readonly WarningJson[],
  style: Style,
  width: number | undefined,
): string {
  if (warned === undefined || warned === 0) return '';
  const head = style.yellow(`${numberText(warned)} answered without something that could not be read as a whole:`);
  const rows = warnings
    .slice(0, NAMED)
    .map(({ host, num, code, count, message }) => [host ?? `#${num}`, code, numberText(count), message]);
  const table = renderTable({ headers: ['host', 'what', 'how many', 'such as'], width, style }, rows);
  const more = warnings.length - NAMED;
  return `${head}\n${table}${more > 0 ? style.dim(`… and ${numberText(more)} more; --output json has them\n`) : ''}`;
}

/** `12 answered, 1 timed out`: for lists. */
export function ledgerWords(ledger: QueryJson['ledger']): string {
  return [...OUTCOMES, 'waiting' as const]
    .filter((outcome) => ledger[outcome] > 0)
    .map((outcome) => `${numberText(ledger[outcome])} ${outcome.replace('_', ' ')}`)
    .join(', ');
}

function headline({ id, state, ledger, rows, mode, createdAt, endedAt }: QueryJson, style: Style): string {
  const counts = OUTCOMES.filter((outcome) => ledger[outcome] > 0).map((outcome) => {
    const text = `${numberText(ledger[outcome])} ${outcome.replace('_', ' ')}`;
    return isAnswer(outcome) ? style.green(text) : style.red(text);
  });
  if (ledger.waiting > 0)
    counts.push(style.yellow(`${numberText(ledger.waiting)} ${state === 'running' ? 'waiting' : 'not waited for'}`));
  const how =
    state === 'complete'
      ? ''
      : state === 'running'
        ? `${style.yellow('Still running.')} `
        : `${style.yellow(state === 'cancelled' ? 'Cancelled.' : 'Interrupted: its query service went away.')} `;
  const unit = mode === 'group' ? 'distinct row' : 'row';
  const outcomes = counts.length === 0 ? '' : ` = ${counts.join(' + ')}`;
  return `${how}${numberText(ledger.targeted)} targeted${outcomes}; ${numberText(rows)} ${unit}${rows === 1 ? '' : 's'}${elapsedText(createdAt, endedAt)} ${style.dim(`(${id})`)}`;
}

function nobody({ offline, scope }: QueryJson): string {
  const where = scope === '' ? 'No endpoint is connected' : `No connected endpoint matches ${escapeControls(scope)}`;
  return offline === 0
    ? `${where}.`
    : `${where}; ${numberText(offline)} enrolled ${offline === 1 ? 'one is' : 'ones are'} offline.`;
}

/**
 * 0 when every endpoint answered to the end and everything was kept, else 3. A server of the version before says what
 * was not finished in warnings alone.
 */
export function exitCodeOf(
  { state, ledger, truncated, unfinished = 0 }: Pick<QueryJson, 'state' | 'ledger' | 'truncated' | 'unfinished'>,
  warnings: readonly WarningJson[] = [],
): ExitCode {
  const isFinished = unfinished === 0 && !warnings.some(({ code }) => isUnfinished(code));
  const isComplete = isFinished && ledgerComplete(ledger) && (ledger.away ?? 0) === 0;
  return state === 'complete' && isComplete && truncated === undefined ? EXIT.complete : EXIT.partial;
}
