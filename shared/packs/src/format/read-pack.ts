import type { z } from 'zod';
import { type Fault, readYaml, type ValuePath, type YamlDocument } from '../yaml/read-yaml.js';
import { type Check, type Pack, PACK_LIMITS, packSchema } from './pack-schema.js';

export interface PackDocument {
  readonly pack: Pack;
  /** Where the values of the pack stand in the text. */
  readonly places: Omit<YamlDocument, 'value'>;
}

export type ReadPack =
  ({ readonly ok: true } & PackDocument) | { readonly ok: false; readonly faults: readonly Fault[] };

const MAX_FAULTS = 50;

/**
 * Reads the text of a pack of unknown origin: bounded YAML, the schema, ids that are unique, and checks that are whole.
 * Whether the SQL compiles says `lintPack`. Returns all faults, at most 50, each with its line and column.
 */
export function readPack(text: string): ReadPack {
  const yaml = readYaml(text);
  if (!yaml.ok) return yaml;
  const [document, second] = yaml.documents;
  if (document === undefined)
    return { ok: false, faults: [{ line: 1, column: 1, path: '', message: 'the text is empty' }] };
  if (second !== undefined)
    return refuse([{ ...second.placeOf([]), path: '', message: 'one document is a pack; here begins another' }]);
  const many = tooManyChecks(document);
  if (many !== undefined) return refuse([many]);
  const parsed = packSchema.safeParse(document.value);
  if (!parsed.success) return refuse(parsed.error.issues.flatMap((issue) => issueFaults(document, issue)));
  const faults = checkFaults(parsed.data, document);
  return faults.length > 0 ? refuse(faults) : { ok: true, pack: parsed.data, places: document };
}

function refuse(faults: readonly Fault[]): ReadPack {
  const sorted = faults.toSorted((one, other) => one.line - other.line || one.column - other.column);
  return { ok: false, faults: sorted.slice(0, MAX_FAULTS) };
}

/** Before the schema looks at each of them. */
function tooManyChecks(document: YamlDocument): Fault | undefined {
  const { value } = document;
  const checks: unknown = typeof value === 'object' && value !== null && 'checks' in value ? value.checks : undefined;
  if (!Array.isArray(checks) || checks.length <= PACK_LIMITS.checks) return undefined;
  const message = `the pack has ${checks.length} checks; a pack has at most ${PACK_LIMITS.checks}`;
  return { ...document.placeOf(['checks', PACK_LIMITS.checks]), path: 'checks', message };
}

function issueFaults(document: YamlDocument, issue: z.core.$ZodIssue): Fault[] {
  const path = pathText(issue.path);
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      ...document.placeOfKey(issue.path, key),
      path: pathText([...issue.path, key]),
      message: 'there is no such key',
    }));
  return [{ ...document.placeOf(issue.path), path, message: messageOf(issue) }];
}

function messageOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined && issue.message.endsWith('received undefined') ? 'is missing' : issue.message;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_format':
      return issue.format === 'regex' ? `must be ${issue.message}` : issue.message;
    case 'too_big':
      return `has more than ${String(issue.maximum)} ${issue.origin === 'string' ? 'characters' : 'entries'}`;
    case 'too_small':
      return 'must not be empty';
    case 'custom':
      return `must be ${issue.message}`;
    default:
      return issue.message;
  }
}

function checkFaults(pack: Pack, document: YamlDocument): Fault[] {
  const first = new Map<string, number>();
  return pack.checks.flatMap((check, index) => {
    const faults: Fault[] = [];
    const add = (path: ValuePath, message: string): void => {
      const full = ['checks', index, ...path];
      faults.push({ ...document.placeOf(full), path: pathText(full), message });
    };
    const earlier = first.get(check.id);
    if (earlier === undefined) first.set(check.id, index);
    else add(['id'], `the check in line ${document.placeOf(['checks', earlier, 'id']).line} has this id already`);
    for (const [key, message] of shapeFaults(check)) add([key], message);
    return faults;
  });
}

function* shapeFaults(check: Check): Generator<[key: string, message: string]> {
  if (check.not_applicable !== undefined) {
    for (const key of ['sql', 'row_means', 'applies_if', 'evidence', 'action'] as const)
      if (check[key] !== undefined) yield [key, 'does not go together with not_applicable'];
    return;
  }
  if (check.sql === undefined) yield ['sql', 'is missing'];
  if (check.row_means === undefined) yield ['row_means', 'is missing: does a row mean pass or fail?'];
}

/** `checks[3].sql` */
export function pathText(path: ValuePath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}
