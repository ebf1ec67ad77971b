import type { Check } from '../format/pack-schema.js';
import {
  idFrom,
  type ImportedChecks,
  type ImportNote,
  isObject,
  lineFrom,
  platformsFrom,
  type SourceFile,
  textFrom,
} from './imported.js';

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
  const appliesIf = textFrom(first, 16_384);
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
  const sql = isObject(query) ? textFrom(query['query'], 16_384) : undefined;
  if (!isObject(query) || sql === undefined) {
    notes.push({ subject: id, message: 'has no query' });
    return undefined;
  }
  const { platforms, rest } = platformsFrom(query['platform'] ?? outer);
  if (rest.length > 0) notes.push({ subject: id, message: `platform ${rest.join(', ')} is not known here` });
  if (platforms.length === 0) return undefined;
  for (const key of Object.keys(query))
    if (!KNOWN.has(key)) notes.push({ subject: id, message: `"${lineFrom(key, 40)}" is not taken over` });
  const description = textFrom(query['description']);
  const remediation = textFrom(query['value']);
  return {
    ...{
      id,
      title: lineFrom(`${name.replaceAll('_', ' ')}: nothing found`),
      severity: 'medium',
      platforms: [...platforms],
    },
    ...{ sql: sql.replace(/;\s*$/, ''), row_means: 'fail' },
    ...(description === undefined ? {} : { description }),
    ...(remediation === undefined ? {} : { remediation }),
  };
}
