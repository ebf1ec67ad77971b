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
  wordFrom,
} from './imported.js';
import { NoteTaker } from './note-taker.js';

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
  if (Array.isArray(value)) return objectsOf(value, new NoteTaker(file, notes));
  if (!isObject(value)) return [];
  if (Array.isArray(value['policies'])) return objectsOf(value['policies'], new NoteTaker(file, notes));
  if (value['kind'] === 'policy' && isObject(value['spec'])) return [value['spec']];
  if (value['kind'] !== undefined)
    notes.push({ subject: file, message: `a document of kind ${lineFrom(wordFrom(value['kind']), 40)} is no policy` });
  return [];
}

function objectsOf(list: readonly unknown[], taker: NoteTaker): Readonly<Record<string, unknown>>[] {
  const objects = list.filter(isObject);
  taker.others(list, objects, '"policies"');
  return objects;
}

function checkOf(spec: Readonly<Record<string, unknown>>, notes: ImportNote[]): Check | undefined {
  const name = wordFrom(spec['name']);
  if (lineFrom(name) === '') {
    notes.push({ subject: 'a policy without a name', message: 'has no name' });
    return undefined;
  }
  const id = idFrom(lineFrom(name));
  const taker = new NoteTaker(id, notes);
  const title = taker.title(name);
  const sql = taker.statement(spec['query'], 'has no query');
  if (sql === undefined) return undefined;
  const { platforms, rest } = platformsFrom(spec['platform'] ?? spec['platforms']);
  if (rest.length > 0) taker.note(`platform ${rest.join(', ')} is not known here`);
  if (platforms.length === 0) return undefined;
  taker.keys(spec, KNOWN);
  const description = taker.text(spec['description'], 'its description');
  const remediation = taker.text(spec['resolution'], 'its resolution');
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
