import type { Check } from '../format/pack-schema.js';
import { idFrom, type ImportedChecks, type ImportNote, isObject, platformsFrom, type SourceFile } from './imported.js';
import { NoteTaker } from './note-taker.js';

/** Keys of a query; those of schedules mean nothing for a check. */
const KNOWN = new Set([
  'query',
  'description',
  'value',
  'platform',
  'interval',
  'version',
  'snapshot',
  'removed',
  'denylist',
  'blacklist',
]);

/** Keys of the pack that are taken over, or mean nothing for a check. */
const PACK_KEYS = new Set(['queries', 'platform', 'discovery', 'version', 'shard']);

/** A pack of osquery: JSON with comments and continued lines. What its queries return is what should not be there, so a row means fail. */
export function importOsqueryPack({ name: file, text }: SourceFile): ImportedChecks {
  const notes: ImportNote[] = [];
  let value: unknown;
  try {
    value = JSON.parse(plainJson(text));
  } catch (error) {
    return {
      checks: [],
      notes: [{ subject: file, message: `is no JSON: ${error instanceof Error ? error.message : String(error)}` }],
    };
  }
  if (!isObject(value) || !isObject(value['queries']))
    return { checks: [], notes: [{ subject: file, message: 'has no "queries"' }] };
  const outer = value['platform'];
  const discovery: unknown = value['discovery'];
  if (Array.isArray(discovery) && discovery.length > 1)
    notes.push({ subject: file, message: 'has several discovery queries; the first decides where a check applies' });
  const first: unknown = Array.isArray(discovery) ? discovery[0] : undefined;
  const pack = new NoteTaker(file, notes);
  pack.keys(value, PACK_KEYS);
  const appliesIf = first === undefined ? undefined : pack.statement(first, 'has a discovery query that is no text');
  const checks = Object.entries(value['queries']).flatMap(([name, query]) => {
    const check = checkOf(name, query, outer, notes);
    if (check === undefined) return [];
    return [appliesIf === undefined ? check : { ...check, applies_if: appliesIf }];
  });
  return { checks, notes };
}

/** osquery's readers drop comment lines, and join lines that end in a backslash. */
function plainJson(text: string): string {
  return text.replaceAll(/^\s*(?:#|\/\/).*$/gm, '').replaceAll(/[ \t]*\\\r?\n\s*/g, ' ');
}

function checkOf(name: string, query: unknown, outer: unknown, notes: ImportNote[]): Check | undefined {
  const id = idFrom(name);
  const taker = new NoteTaker(id, notes);
  const sql = taker.statement(isObject(query) ? query['query'] : undefined, 'has no query');
  if (!isObject(query) || sql === undefined) return undefined;
  const { platforms, rest } = platformsFrom(query['platform'] ?? outer);
  if (rest.length > 0) taker.note(`platform ${rest.join(', ')} is not known here`);
  if (platforms.length === 0) return undefined;
  taker.keys(query, KNOWN);
  const description = taker.text(query['description'], 'its description');
  const remediation = taker.text(query['value'], 'its value');
  return {
    ...{
      id,
      title: taker.title(`${name.replaceAll('_', ' ')}: nothing found`),
      severity: 'medium',
      platforms: [...platforms],
    },
    ...{ sql, row_means: 'fail' },
    ...(description === undefined ? {} : { description }),
    ...(remediation === undefined ? {} : { remediation }),
  };
}
