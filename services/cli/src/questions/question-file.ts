import type { SqlParameterJson } from '@muster/api-contract';
import { isSqlParameterName } from '@muster/protocol/vocabulary';
import { nearest } from '../terminal/nearest.js';
import { sqlPieces } from '../sql/sql-pieces.js';
import { usageError } from '../terminal/cli-error.js';
import { isParamType, PARAM_TYPES, type ParamType } from './query-params.js';

/** A parameter that a saved question declares. */
export interface QuestionParam {
  readonly name: string;
  readonly type: ParamType;
  /** As after `--param NAME=`. Absent: it must be given. */
  readonly fallback?: string;
  /** The default itself, of a question of the org. */
  readonly value?: SqlParameterJson;
  readonly description?: string;
}

/** A saved question: its SQL, and options that the command line can override. */
export interface Question {
  readonly sql: string;
  /** What is below the comments at its top, in a file. */
  readonly body?: string;
  /** Of the org's library: the version that the file was made from. */
  readonly version?: number;
  /** The comments that are no headers. */
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly params?: readonly QuestionParam[];
  readonly target?: string;
  readonly group?: boolean;
  readonly reduce?: string;
  readonly timeout?: string;
}

const HEADERS = ['target', 'group', 'reduce', 'timeout', 'tags', 'param', 'description', 'version'] as const;
type Header = (typeof HEADERS)[number];
/** These go on over the lines below that are indented by two spaces or more. */
const LONG: ReadonlySet<string> = new Set(['target', 'reduce', 'description']);

const HEADER = /^--\s*([A-Za-z][\w-]*)\s*:(?!\/\/)\s*(.*)$/;
/** What is meant as a header, and lacks its colon. */
const UNMARKED =
  /^--\s*(?:(target)\s+(?:!|\S+\s*(?:=|!=|\sin\s|\snotin\s))|(timeout)\s+\d+(?:ms|s|m|h)\b|(reduce)\s+(?:select|with)\b)/i;

/**
 * Reads a saved question: plain SQL whose leading comments may hold options.
 *
 *     -- Which machines have this port open?
 *     -- target: os=linux
 *     -- tags: network, triage
 *     -- param: port integer = 22 -- the port to look for
 *     -- group
 *     -- reduce: SELECT port, sum(endpoints) FROM rows GROUP BY port
 *     SELECT port, protocol FROM listening_ports WHERE port = :port
 *
 * A misspelt header would ask every endpoint: whatever looks like one must be one.
 * @throws CliError for a header that is unknown, without its value, given twice, or below the first line of SQL
 */
export function parseQuestion(text: string): Question {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/);
  const found = new Map<Header, string>();
  const params: QuestionParam[] = [];
  const prose: string[] = [];
  let open: Header | undefined;
  let first = 0;
  for (const line of lines.map((one) => one.trim())) {
    if (line !== '' && !line.startsWith('--')) break;
    first += 1;
    const more = /^--\s{2,}(\S.*)$/.exec(line)?.[1];
    if (more !== undefined && open !== undefined && !HEADER.test(line)) {
      if (!LONG.has(open))
        throw usageError(`"${open}" is one line; "${more}" below it is indented, and goes on with nothing`);
      found.set(open, `${found.get(open) ?? ''} ${more}`.trim());
      continue;
    }
    open = undefined;
    const header = headerOf(line);
    if (header === undefined) {
      const words = line.replace(/^--+\s*/, '');
      if (words !== '') prose.push(words);
      continue;
    }
    open = header.name;
    if (header.name === 'param') {
      params.push(parseParam(header.value, params));
      continue;
    }
    if (found.has(header.name)) throw usageError(`the file says "${header.name}" twice`);
    found.set(header.name, header.value);
  }
  refuseLateHeaders(lines.slice(first).join('\n'));
  const description = [found.get('description') ?? '', ...prose].filter((one) => one !== '').join(' ');
  return {
    ...{ sql: text, body: lines.slice(first).join('\n').trim() },
    ...optionsOf(found, params),
    ...(description === '' ? {} : { description }),
  };
}

function headerOf(line: string): { readonly name: Header; readonly value: string } | undefined {
  const [, word = '', value = ''] = HEADER.exec(line) ?? [];
  const name = word.toLowerCase();
  if (isHeader(name)) return { name, value: value.trim() };
  if (name !== '') {
    const meant = nearest(name, HEADERS);
    const hint = meant === undefined ? `headers are ${HEADERS.join(', ')}` : `did you mean "${meant}:"?`;
    throw usageError(
      `the file has a header "${word}:" that nobody knows`,
      `${hint}; prose has no colon after its first word`,
    );
  }
  const unmarked = UNMARKED.exec(line)
    ?.slice(1)
    .find((one) => one !== undefined);
  if (unmarked !== undefined)
    throw usageError(`"${line}" lacks the colon of its header`, `-- ${unmarked.toLowerCase()}: …`);
  const alone = /^--\s*(\w+)$/.exec(line)?.[1]?.toLowerCase();
  if (alone === 'group') return { name: 'group', value: '' };
  if (alone !== undefined && nearest(alone, ['group']) !== undefined)
    throw usageError(`"${line}" is no header`, 'did you mean "-- group"?');
  return undefined;
}

function isHeader(name: string): name is Header {
  return HEADERS.some((one) => one === name);
}

/** These change nothing of what is asked: inside of SQL they are comments. */
const PROSE_BELOW: ReadonlySet<string> = new Set(['description', 'version']);

/** Nobody would read them there: below the first line of SQL, behind SQL in a line, and between the marks of a block comment. */
function refuseLateHeaders(sql: string): void {
  for (const { kind, text } of sqlPieces(sql)) {
    if (kind === 'line_comment') {
      const name = HEADER.exec(text.trim())?.[1]?.toLowerCase();
      if (name !== undefined && isHeader(name) && !PROSE_BELOW.has(name))
        throw usageError(`"${text.trim()}" is below the first line of SQL`, 'headers stand above it');
    }
    if (kind === 'block_comment') refuseBlockHeaders(text);
  }
}

function refuseBlockHeaders(comment: string): void {
  const lines = comment.replace(/^\/\*+|\*+\/$/g, '').split('\n');
  for (const line of lines.map((one) => one.replace(/^[\s*]+/, '').trim())) {
    const word = HEADER.exec(`-- ${line}`)?.[1]?.toLowerCase();
    const meant = word === undefined ? undefined : nearest(word, HEADERS);
    const isMeant = word !== undefined && (isHeader(word) || meant !== undefined) && !PROSE_BELOW.has(word);
    if (isMeant || UNMARKED.test(`-- ${line}`))
      throw usageError(`"${line}" is in a block comment, where nobody reads it`, `write it above the SQL: -- ${line}`);
  }
}

const PARAM = /^(\S+)\s+(\S+)(?:\s+=(?:\s+(.*?))?)?(?:\s+--\s+(.*))?$/;

/** `port integer = 22 -- the port to look for` */
function parseParam(text: string, before: readonly QuestionParam[]): QuestionParam {
  const [, name = '', type = '', fallback, description] = PARAM.exec(text) ?? [];
  if (!isSqlParameterName(name) || !isParamType(type))
    throw usageError(
      `"param: ${text}" is none`,
      `-- param: NAME TYPE [= DEFAULT] [-- what it is]; types: ${PARAM_TYPES.join(', ')}`,
    );
  if (before.some((one) => one.name === name)) throw usageError(`the file declares the parameter ${name} twice`);
  const hasDefault = /^\S+\s+\S+\s+=/.test(text);
  return {
    ...{ name, type },
    ...(hasDefault ? { fallback: fallback ?? '' } : {}),
    ...(description === undefined ? {} : { description }),
  };
}

function optionsOf(found: ReadonlyMap<Header, string>, params: readonly QuestionParam[]): Omit<Question, 'sql'> {
  for (const name of ['target', 'reduce', 'timeout', 'tags', 'description', 'version'] as const)
    if (found.get(name) === '') throw usageError(`the file says "${name}:" and nothing after it`);
  const [target, reduce, timeout] = [found.get('target'), found.get('reduce'), found.get('timeout')];
  const tags = found
    .get('tags')
    ?.split(/[\s,]+/)
    .filter((tag) => tag !== '');
  const version = found.get('version');
  if (version !== undefined && !/^\d{1,9}$/.test(version)) throw usageError(`"version: ${version}" is no version`);
  return {
    ...(version === undefined ? {} : { version: Number(version) }),
    ...(target === undefined ? {} : { target }),
    ...(found.has('group') ? { group: groupOf(found.get('group') ?? '') } : {}),
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeout === undefined ? {} : { timeout }),
    ...(tags === undefined ? {} : { tags }),
    ...(params.length === 0 ? {} : { params }),
  };
}

function groupOf(text: string): boolean {
  if (['', 'true', 'yes'].includes(text)) return true;
  if (['false', 'no'].includes(text)) return false;
  throw usageError(`"group: ${text}" is neither yes nor no`);
}
