import { parseBinding, shapesOf } from '@muster/actions';
import type { ActionJson } from '@muster/api-contract';
import { isAgentId, type Binding } from '@muster/protocol';
import { CliError, EXIT } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';

/** A row of a query's answer to which a command is bound. */
export interface BoundRow {
  readonly agentId: string;
  readonly host: string;
  /** Only the columns that the action compares. */
  readonly row: Binding;
}

export interface Rows {
  readonly rows: readonly BoundRow[];
  /** How many rows were left out because they equal an earlier one. */
  readonly duplicates: number;
}

const FAULTS_SHOWN = 10;

/**
 * Reads rows as `muster query … -o ndjson` and REST with `rows=objects` have them (one object per line), the document of `-o json`, a page
 * of REST, or a JSON array of the same objects. Only the columns that the action compares are kept.
 * @throws CliError that names the lines which cannot be used, or when the action is bound to no rows
 */
export function readRows(action: ActionJson, text: string): Rows {
  if (shapesOf(action).length === 0)
    throw new CliError(`${action.name} is not bound to rows`, {
      exitCode: EXIT.usage,
      hint: 'name endpoints with --target or --agents instead',
    });
  const faults: string[] = [];
  const rows = new Map<string, BoundRow>();
  let read = 0;
  for (const { place, value } of placedValues(text)) {
    const bound = typeof value === 'string' ? value : bind(action, value);
    if (typeof bound === 'string') faults.push(`${place}: ${bound}`);
    else rows.set(JSON.stringify([bound.agentId, bound.row]), bound);
    read += 1;
  }
  if (faults.length > 0) throw new RowsError(faults, read);
  return { rows: [...rows.values()], duplicates: read - rows.size };
}

/** Some rows cannot be used, so no row is acted on. */
class RowsError extends CliError {
  constructor(faults: readonly string[], read: number) {
    const more = faults.length - FAULTS_SHOWN;
    super(`${faults.length} of ${read} rows cannot be used, so nothing was submitted`, {
      exitCode: EXIT.usage,
      excerpt: [
        ...faults.slice(0, FAULTS_SHOWN).map((fault) => `  ${escapeControls(fault)}`),
        ...(more > 0 ? [`  … and ${more} more`] : []),
      ],
    });
  }
}

/** A value that was read, or its fault, with its place in the input. */
interface Placed {
  readonly place: string;
  readonly value: object | string;
}

function placedValues(text: string): Placed[] {
  // Some shells begin a file with a byte order mark.
  const whole = text.replace(/^\ufeff/, '').trim();
  const first = whole.split('\n', 1)[0] ?? '';
  const isDocument = whole.startsWith('[') || first === whole || parseJson(first) === undefined;
  const parsed = isDocument ? parseJson(whole) : undefined;
  if (Array.isArray(parsed)) return numbered('item', parsed);
  for (const list of ['rows', 'items'])
    if (isObject(parsed) && Array.isArray(parsed[list])) return numbered('row', parsed[list]);
  if (isObject(parsed) && isObject(parsed['results'])) return placedValues(JSON.stringify(parsed['results']));
  return text
    .replace(/^\ufeff/, '')
    .split('\n')
    .map((line, i) => ({ place: `line ${i + 1}`, line: line.trim() }))
    .filter(({ line }) => line !== '')
    .map(({ place, line }) => ({ place, value: objectOr(parseJson(line), 'not a JSON object') }));
}

function numbered(word: string, items: readonly unknown[]): Placed[] {
  return items.map((item, i) => ({ place: `${word} ${i + 1}`, value: objectOr(item, 'not a JSON object') }));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function objectOr(value: unknown, otherwise: string): object | string {
  return isObject(value) ? value : otherwise;
}

function bind(action: ActionJson, value: object): BoundRow | string {
  const { agentId, host, row } = value as { agentId?: unknown; host?: unknown; row?: unknown };
  if (typeof agentId !== 'string') {
    return 'endpoints' in value
      ? 'rows of --group name no endpoint to act on; ask without it'
      : 'no agentId: it does not say which endpoint it is of';
  }
  if (!isAgentId(agentId)) return `"${agentId}" is not the id of an agent`;
  if (!isObject(row)) return 'values' in value ? 'its values have no names: ask REST for rows=objects' : 'no row';
  const parsed = parseBinding(action, row);
  if (!parsed.ok)
    return parsed.faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
  return { agentId, host: typeof host === 'string' ? host : agentId, row: parsed.binding };
}
