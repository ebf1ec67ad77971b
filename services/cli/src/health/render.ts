import type { HealthEventJson } from '@muster/api-contract';
import { escapeControls } from '../terminal/escape.js';
import { numberText } from '../terminal/listing.js';
import { renderTable, type Paint, type Style } from '../terminal/table.js';
import { durationText, shortTime } from '../terminal/time-text.js';
import type { Counts, UnwellList } from './unwell-list.js';

export interface RenderOptions {
  readonly width: number | undefined;
  readonly style: Style;
  readonly nowMs: number;
}

type State = keyof Counts;
type FailingRule = HealthChange['rules'][number];
export type HealthChange = Extract<HealthEventJson, { readonly event: 'changed' }>;

/** How many there are of each state, then a line for each rule that an endpoint fails. */
export function renderUnwell(
  { counts, unknown = 0, items }: UnwellList,
  { width, style, nowMs }: RenderOptions,
): string {
  const lines = [`${countsLine(counts, style)}${unknown > 0 ? `, ${numberText(unknown)} unknown` : ''}`];
  if (items.length > 0) {
    const failing = items.flatMap((item) => worstFirst(item.health.rules).map((rule) => ({ ...item, rule })));
    const rows = failing.map(({ agentId, host, rule: { state, rule, since, ...judged } }) => [
      ...[state, host === '' ? agentId : host, rule, judgedText(judged)],
      ...[shortTime(since), forText(since, nowMs)],
    ]);
    const headers = ['health', 'host', 'rule', 'value', 'since', 'for'];
    const table = renderTable({ headers, width, style }, rows).trimEnd().split('\n');
    // Painted by the line: cells are measured without colours.
    lines.push(...table.map((line, i) => paintOf(failing[i - 1]?.rule.state, style)(line)));
  }
  const rest = counts.warning + counts.critical - items.length;
  if (rest > 0) lines.push(style.dim(`and ${numberText(rest)} more: --limit`));
  return lines.map((line) => `${line}\n`).join('');
}

function countsLine(counts: Counts, style: Style): string {
  const one = (state: State): string => {
    const text = `${numberText(counts[state])} ${state}`;
    return counts[state] > 0 ? paintOf(state, style)(text) : text;
  };
  return `${one('ok')}, ${one('warning')}, ${one('critical')}`;
}

function paintOf(state: State | undefined, style: Style): Paint {
  if (state === 'critical') return style.red;
  if (state === 'warning') return style.yellow;
  return state === 'ok' ? style.green : (text) => text;
}

function forText(since: string, nowMs: number): string {
  return durationText(Math.max(nowMs - Date.parse(since), 0));
}

/** `12:00:41  web-1  ok → critical  disk_nearly_full 0.98 (≥ 0.97)` */
export function changeLine({ at, agentId, host, before, state, rules }: HealthChange, style: Style): string {
  const judged = rules.map(({ rule, ...its }) => `${rule} ${judgedText(its)}`.trimEnd());
  const time = at.replace(/\.\d+Z$/, 'Z');
  const became = paintOf(state, style)(`${before} → ${state}`);
  const rest = judged.length === 0 ? '' : `  ${escapeControls(judged.join(', '))}`;
  return `${time}  ${escapeControls(host ?? agentId)}  ${became}${rest}`;
}

const worstFirst = (rules: readonly FailingRule[]): FailingRule[] =>
  rules.toSorted((a, b) => Number(b.state === 'critical') - Number(a.state === 'critical'));

/** `0.98 (≥ 0.97)`: a value that has fallen a little is still counted for the hysteresis. */
function judgedText({ value, threshold }: Pick<FailingRule, 'value' | 'threshold'>): string {
  const values = value === undefined ? [] : [valueText(value)];
  return [...values, ...(threshold === undefined ? [] : [`(≥ ${valueText(threshold)})`])].join(' ');
}

/** Three digits are enough to judge by. */
function valueText(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : '-';
}
