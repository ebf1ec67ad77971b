import { usageError } from './cli-error.js';
import { safeJson } from './escape.js';
import { styleFor, TableWriter } from './table.js';
import type { Terminal } from './terminal.js';

export const LIST_OUTPUTS = ['table', 'json', 'ndjson'] as const;
export type ListOutput = (typeof LIST_OUTPUTS)[number];

/** Of lists of rows: `vertical` has a line for each value. */
export const TABLE_OUTPUTS = [...LIST_OUTPUTS, 'vertical'] as const;
export type TableOutput = (typeof TABLE_OUTPUTS)[number];

/** A list whose columns would have less than this many cells is shown with a line for each value. */
const NARROWEST = 6;

export interface Listing<T> {
  readonly headers: readonly string[];
  readonly row: (item: T) => readonly string[];
  /** Printed on stderr when the list is empty. */
  readonly nothing: string;
}

/** Prints items as they come: a table for people, or the API's own objects. Returns how many there were. */
export async function printList<T>(
  terminal: Terminal,
  output: TableOutput,
  items: AsyncIterable<T> | Iterable<T>,
  { headers, row, nothing }: Listing<T>,
): Promise<number> {
  const { stdout, stderr, env } = terminal;
  const vertical = output === 'vertical' ? 'always' : NARROWEST;
  const table = new TableWriter({ headers, width: stdout.columns, style: styleFor(stdout.isTTY, env), vertical });
  let count = 0;
  for await (const item of items) {
    const text =
      output === 'ndjson'
        ? `${safeJson(item)}\n`
        : output === 'json'
          ? `${count === 0 ? '[' : ','}\n${safeJson(item)}`
          : table.add(row(item));
    if (text !== '') await stdout.write(text);
    count += 1;
  }
  if (output === 'table' || output === 'vertical') await stdout.write(table.end());
  if (output === 'json') await stdout.write(count === 0 ? '[]\n' : '\n]\n');
  if (count === 0) await stderr.write(`${nothing}\n`);
  return count;
}

/** `--limit` of a list that has a usual length. */
export function usualLimit(usual: number): [flags: string, description: string] {
  return ['--limit <n>', `at most so many (default: a table has ${numberText(usual)}, other forms have all)`];
}

/**
 * Prints a list that may be long, as it comes: a table of the usual length, which says when there is more; in the forms that programs read
 * everything, because who counts lines must not count a page. `--limit` is for both.
 * @throws CliError when the limit is no number
 */
export async function printLong<T>(
  terminal: Terminal,
  output: TableOutput,
  { limit, usual }: { readonly limit: string | undefined; readonly usual: number },
  itemsOf: (limit: number | undefined) => AsyncIterable<T>,
  listing: Listing<T>,
): Promise<number> {
  if (limit !== undefined) {
    const most = parseLimit(limit);
    return printList(terminal, output, firstOf(itemsOf(most), most), listing);
  }
  if (output === 'json' || output === 'ndjson') return printList(terminal, output, itemsOf(undefined), listing);
  let isCut = false;
  const shown = firstOf(itemsOf(usual + 1), usual, () => (isCut = true));
  const count = await printList(terminal, output, shown, listing);
  if (isCut) await terminal.stderr.write(`These are the first ${numberText(count)}; --limit shows more.\n`);
  return count;
}

/** Tells when there are more. */
async function* firstOf<T>(items: AsyncIterable<T>, most: number, onMore?: () => void): AsyncGenerator<T> {
  let left = most;
  for await (const item of items) {
    if (left === 0) return onMore?.();
    left -= 1;
    yield item;
    if (left === 0 && onMore === undefined) return;
  }
}

/** `env=prod,site=zrh` */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Lines of `name  value`; lines without a value are left out. */
export function renderFacts(facts: readonly (readonly [name: string, value: string | undefined])[]): string {
  const known = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined && fact[1] !== '');
  const width = Math.max(...known.map(([name]) => name.length));
  return known.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

/** @throws CliError unless the text is one of the forms */
export function parseOutput<T extends string>(text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text);
  if (found === undefined) throw usageError(`--output must be one of ${allowed.join(', ')}, not "${text}"`);
  return found;
}

/** `--limit`. @throws CliError */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1) throw usageError(`--limit must be a whole number above 0, not "${text}"`);
  return limit;
}

/** `1,200` */
export function numberText(value: number): string {
  return value.toLocaleString('en-US');
}

/** `1 row`, `1,200 rows` */
export function counted(count: number, noun: string): string {
  return `${numberText(count)} ${noun}${count === 1 ? '' : 's'}`;
}
