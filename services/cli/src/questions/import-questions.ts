import { basename } from 'node:path';
import { readYaml } from '@muster/packs';
import { CliError } from '../terminal/cli-error.js';
import { parseQuestion } from './question-file.js';

/** A larger file is refused before it is read. */
export const MAX_IMPORT_BYTES = 2 * 1024 * 1024;
const MAX_QUESTIONS = 2_000;

export interface ImportedQuestions {
  /** The text of each question file, by its name without `.sql`. */
  readonly questions: readonly { readonly name: string; readonly text: string }[];
  /** What could not be taken over, for people. */
  readonly notes: readonly string[];
}

interface Draft {
  readonly name: string;
  readonly sql: unknown;
  readonly description?: unknown;
  readonly platform?: unknown;
  readonly tags?: unknown;
  /** The names of members that have no meaning here. */
  readonly unmapped: readonly string[];
}

/**
 * Reads one file of another tool's questions. A query that would be asked of other endpoints than there, or twice, is
 * left out with a note.
 */
export function importQuestions(file: string, text: string): ImportedQuestions {
  const notes: string[] = [];
  const questions = new Map<string, string>();
  let drafts: readonly Draft[];
  try {
    drafts = draftsOf(file, text, notes);
  } catch (error) {
    return { questions: [], notes: [error instanceof Error ? error.message : String(error)] };
  }
  if (drafts.length > MAX_QUESTIONS) return { questions: [], notes: [`it has more than ${MAX_QUESTIONS} queries`] };
  for (const draft of drafts) {
    const name = slug(draft.name);
    const made =
      name === '' || questions.has(name) ? `the name ${draft.name} is taken, or is none` : questionText(draft);
    if (typeof made === 'string') notes.push(`${draft.name}: left out: ${made}`);
    else {
      questions.set(name, made.text);
      const { unmapped } = draft;
      if (unmapped.length > 0) notes.push(`${draft.name}: has no use for ${unmapped.join(', ')}`);
    }
  }
  return { questions: [...questions].map(([name, one]) => ({ name, text: one })), notes };
}

function draftsOf(file: string, text: string, notes: string[]): readonly Draft[] {
  if (/\.ya?ml$/i.test(file)) return fromFleet(text, notes);
  if (/\.(json|conf)$/i.test(file)) return fromOsquery(text, notes);
  if (/\.sql$/i.test(file)) return [fromSql(basename(file).replace(/\.sql$/i, ''), text)];
  throw new Error('is neither .json, .conf, .yml, .yaml nor .sql');
}

type Members = Readonly<Record<string, unknown>>;

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const unmappedOf = (value: Members, known: readonly string[]): string[] =>
  Object.keys(value).filter((key) => !known.includes(key));

/** A pack or a configuration of osquery: JSON with comment lines, and texts that go on after a `\` at the end of the line. */
function fromOsquery(text: string, notes: string[]): Draft[] {
  const plain = text.replace(/^\s*(?:#|\/\/).*$/gm, '').replace(/\\\r?\n/g, '');
  let pack: unknown;
  try {
    pack = JSON.parse(plain);
  } catch {
    throw new Error('is not a pack of osquery: no JSON');
  }
  const queries = isMembers(pack) ? (pack['queries'] ?? pack['schedule']) : undefined;
  if (!isMembers(pack) || !isMembers(queries)) throw new Error('has neither "queries" nor "schedule"');
  const whole = unmappedOf(pack, ['queries', 'schedule', 'platform']);
  if (whole.length > 0) notes.push(`has no use for ${whole.join(', ')} of the whole file`);
  return Object.entries(queries).map(([name, query]) => ({
    name,
    ...(isMembers(query)
      ? {
          ...{ sql: query['query'], description: query['description'] },
          platform: query['platform'] ?? pack['platform'],
          unmapped: unmappedOf(query, ['query', 'description', 'platform']),
        }
      : { sql: undefined, unmapped: [] }),
  }));
}

/** Fleet's YAML, of one or several documents. */
function fromFleet(text: string, notes: string[]): Draft[] {
  const read = readYaml(text);
  if (!read.ok) {
    const [fault] = read.faults;
    throw new Error(`line ${fault?.line ?? 1}: ${fault?.message ?? 'is no YAML'}`);
  }
  const drafts: Draft[] = [];
  for (const { value } of read.documents) drafts.push(...fleetDrafts(value, notes));
  if (drafts.length === 0 && notes.length === 0) notes.push('has no queries');
  return drafts;
}

const FLEET_MEMBERS = ['name', 'query', 'description', 'platform', 'tags'];

/** A document of kind `query`; or, as in Fleet's GitOps files, a list of queries, at the top or as `queries`. */
function fleetDrafts(value: unknown, notes: string[]): Draft[] {
  if (Array.isArray(value)) return value.flatMap((one: unknown) => fleetDrafts(one, notes));
  if (!isMembers(value)) {
    if (value !== null && value !== undefined) notes.push(`${JSON.stringify(value)} is no query, and was left out`);
    return [];
  }
  const { kind, queries } = value;
  if (kind === undefined && Array.isArray(queries)) {
    const others = unmappedOf(value, ['queries']);
    if (others.length > 0) notes.push(`has no use for ${others.join(', ')} of the whole file`);
    return fleetDrafts(queries, notes);
  }
  const spec = kind === undefined ? value : value['spec'];
  const name = isMembers(spec) ? spec['name'] : undefined;
  if ((kind !== undefined && kind !== 'query') || !isMembers(spec) || typeof name !== 'string') {
    const what = kind === undefined ? 'an entry without a name' : `a document of kind ${JSON.stringify(kind)}`;
    notes.push(`${what} is no query with a name, and was left out`);
    return [];
  }
  return [
    {
      ...{ name, sql: spec['query'], description: spec['description'] },
      ...{ platform: spec['platform'], tags: spec['tags'] },
      unmapped: unmappedOf(spec, FLEET_MEMBERS),
    },
  ];
}

/** SQL below comments, of which `platform:` and `tags:` mean something. */
function fromSql(name: string, text: string): Draft {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const first = lines.findIndex((line) => line.trim() !== '' && !line.trim().startsWith('--'));
  const found = new Map<string, string>();
  const prose: string[] = [];
  for (const line of first < 0 ? lines : lines.slice(0, first)) {
    const [, key, value = ''] = /^\s*--\s*(platforms?|tags)\s*:\s*(.*)$/i.exec(line) ?? [];
    if (key === undefined) prose.push(line.replace(/^\s*-+\s*/, ''));
    else found.set(key.toLowerCase().replace(/^platforms$/, 'platform'), value);
  }
  return {
    ...{ name, sql: first < 0 ? '' : lines.slice(first).join('\n') },
    ...{ description: prose.join(' '), platform: found.get('platform'), tags: found.get('tags'), unmapped: [] },
  };
}

function slug(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);
}

/** The text of the file, or why there is none. */
function questionText({ sql, description, platform, tags }: Draft): { readonly text: string } | string {
  if (typeof sql !== 'string' || sql.trim() === '') return 'it has no SQL';
  const target = targetOf(platform);
  if (target === undefined) return `platform ${JSON.stringify(platform)} is none of linux, windows, darwin`;
  const words = tagWords(tags);
  const lines = [
    ...(typeof description === 'string' ? [proseLine(description)] : []).filter((line) => line !== ''),
    ...(target === '' ? [] : [`-- target: ${target}`]),
    ...(words.length === 0 ? [] : [`-- tags: ${words.join(', ')}`]),
    sql.trim().replace(/\s*;$/, ''),
  ];
  const text = `${lines.join('\n')}\n`;
  try {
    // Nothing in the SQL or the description may be read as an option.
    const { target: read = '', group, reduce, timeout, params } = parseQuestion(text);
    const isSame = read === target && [group, reduce, timeout, params].every((one) => one === undefined);
    return isSame ? { text } : 'a comment in it would be read as an option';
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
}

/** A description as a comment: one line, no header. */
function proseLine(description: string): string {
  const line = description
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, 1_000)
    .toWellFormed();
  return line === '' ? '' : `-- ${line.replace(/^([A-Za-z][\w-]*)\s*:/, '$1 -')}`;
}

const EVERYWHERE: ReadonlySet<string> = new Set(['', 'all', 'any']);

/** A selector; empty for all. `undefined` where the platform is unknown: the question would be asked elsewhere. */
function targetOf(platform: unknown): string | undefined {
  const text = Array.isArray(platform) ? platform.join(',') : (platform ?? '');
  if (typeof text !== 'string') return undefined;
  const words = text
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((word) => word !== '');
  if (words.every((word) => EVERYWHERE.has(word))) return '';
  const systems = new Set(words.flatMap((word) => (word === 'posix' ? ['linux', 'darwin'] : [word])));
  if ([...systems].some((one) => !['linux', 'windows', 'darwin'].includes(one))) return undefined;
  return systems.size === 1 ? `os=${[...systems].join('')}` : `os in (${[...systems].sort().join(',')})`;
}

function tagWords(tags: unknown): string[] {
  const text = Array.isArray(tags) ? tags.join(' ') : typeof tags === 'string' ? tags : '';
  return text
    .split(/[\s,]+/)
    .filter((word) => /^[\w.-]{1,63}$/.test(word))
    .slice(0, 20);
}
