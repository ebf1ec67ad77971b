import { readYaml } from '../yaml/read-yaml.js';
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
  wordFrom,
} from './imported.js';

/** Keys of a Fleet policy that are taken over or mean nothing here. */
const KNOWN = new Set([
  'name',
  'query',
  'description',
  'resolution',
  'platform',
  'platforms',
  'critical',
  'tags',
  'team',
  'purpose',
  'contributors',
]);

/**
 * Policies of Fleet: documents of `kind: policy` with a `spec`, or a list below `policies:`. A policy passes when a row
 * returns. Critical ones become severity critical, the others medium.
 */
export function importFleet({ name: file, text }: SourceFile): ImportedChecks {
  const yaml = readYaml(text);
  const notes: ImportNote[] = [];
  if (!yaml.ok)
    return { checks: [], notes: yaml.faults.map(({ line, message }) => ({ subject: `${file}:${line}`, message })) };
  const specs = yaml.documents.flatMap(({ value }) => specsOf(value, file, notes));
  const checks = specs.flatMap((spec) => {
    const check = checkOf(spec, notes);
    return check === undefined ? [] : [check];
  });
  return { checks, notes };
}

function specsOf(value: unknown, file: string, notes: ImportNote[]): Readonly<Record<string, unknown>>[] {
  if (Array.isArray(value)) return value.filter(isObject);
  if (!isObject(value)) return [];
  if (Array.isArray(value['policies'])) return value['policies'].filter(isObject);
  if (value['kind'] === 'policy' && isObject(value['spec'])) return [value['spec']];
  if (value['kind'] !== undefined)
    notes.push({ subject: file, message: `a document of kind ${lineFrom(wordFrom(value['kind']), 40)} is no policy` });
  return [];
}

function checkOf(spec: Readonly<Record<string, unknown>>, notes: ImportNote[]): Check | undefined {
  const title = lineFrom(wordFrom(spec['name']));
  const sql = textFrom(spec['query'], 16_384);
  const id = idFrom(title);
  if (sql === undefined || title === '') {
    notes.push({ subject: title === '' ? 'a policy without a name' : title, message: 'has no query' });
    return undefined;
  }
  const { platforms, rest } = platformsFrom(spec['platform'] ?? spec['platforms']);
  if (rest.length > 0) notes.push({ subject: id, message: `platform ${rest.join(', ')} is not known here` });
  if (platforms.length === 0) return undefined;
  for (const key of Object.keys(spec))
    if (!KNOWN.has(key)) notes.push({ subject: id, message: `"${key}" is not taken over` });
  const description = textFrom(spec['description']);
  const remediation = textFrom(spec['resolution']);
  return {
    id,
    title,
    severity: spec['critical'] === true ? 'critical' : 'medium',
    platforms: [...platforms],
    sql,
    row_means: 'pass',
    ...(description === undefined ? {} : { description }),
    ...(remediation === undefined ? {} : { remediation }),
  };
}
