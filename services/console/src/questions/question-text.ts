import type { SqlParameterJson } from '@muster/api-contract';

/** A saved question: its SQL, and what the comments above it say. */
export interface Question {
  readonly name: string;
  readonly sql: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly params: readonly QuestionParam[];
  readonly target: string;
  readonly group: boolean;
  readonly reduce: string;
  readonly timeout: string;
}

export interface QuestionParam {
  readonly name: string;
  readonly type: string;
  readonly fallback: string;
  readonly description: string;
}

const HEADER = /^--\s*(target|group|reduce|timeout|tags|param)(?:\s*:\s*(.*))?$/i;
const PARAM = /^(\w+)(?:\s+(\w+))?(?:\s*=\s*(.*?))?(?:\s+--\s*(.*))?$/;

/** Reads a question as the CLI writes them: comments with headers, then one SELECT. */
export function readQuestion(name: string, text: string): Question {
  const found = new Map<string, string>();
  const params: QuestionParam[] = [];
  const prose: string[] = [];
  const lines = text.split(/\r?\n/);
  let first = 0;
  let open: string | undefined;
  for (const line of lines.map((one) => one.trim())) {
    if (line !== '' && !line.startsWith('--')) break;
    first += 1;
    const header = HEADER.exec(line);
    const more = /^--\s{2,}(\S.*)$/.exec(line)?.[1];
    const key = header?.[1]?.toLowerCase();
    if (key === 'param') params.push(readParam(header?.[2] ?? ''));
    else if (key !== undefined) found.set(key, header?.[2]?.trim() ?? '');
    else if (more !== undefined && open !== undefined) found.set(open, `${found.get(open) ?? ''} ${more}`.trim());
    else if (line !== '') prose.push(line.replace(/^--+\s*/, ''));
    if (key !== undefined) open = key;
    else if (more === undefined) open = undefined;
  }
  return {
    name,
    sql: lines.slice(first).join('\n').trim(),
    description: prose.join(' '),
    tags: (found.get('tags') ?? '').split(',').flatMap((tag) => (tag.trim() === '' ? [] : [tag.trim()])),
    params,
    target: found.get('target') ?? '',
    group: found.has('group'),
    reduce: found.get('reduce') ?? '',
    timeout: found.get('timeout') ?? '',
  };
}

function readParam(text: string): QuestionParam {
  const [, name = '', type = 'text', fallback = '', description = ''] = PARAM.exec(text.trim()) ?? [];
  return { name, type, fallback: fallback.replace(/^'(.*)'$/, '$1'), description };
}

/** The `:name` of a statement, outside of texts and comments, in the order in which they come. */
export function parameterNames(...statements: readonly string[]): readonly string[] {
  const names = new Set<string>();
  for (const sql of statements) {
    const bare = sql.replaceAll(/'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g, ' ');
    for (const [, name = ''] of bare.matchAll(/:([A-Za-z_]\w*)/g)) names.add(name);
  }
  return [...names];
}

/** The value that a form field stands for, by the types of `--param`. Without a type, what is written as an integer is one. */
export function parameterValue(text: string, type: string | undefined): SqlParameterJson {
  const trimmed = text.trim();
  switch (type) {
    case 'integer':
      return integerOf(trimmed) ?? text;
    case 'number':
      return trimmed === '' || Number.isNaN(Number(trimmed)) ? text : { $number: Number(trimmed) };
    case 'boolean':
      return trimmed === 'true';
    case 'null':
      return null;
    case 'list':
      return listOf(trimmed);
    case 'blob':
      return { $blob: trimmed };
    case undefined:
      return integerOf(trimmed) ?? text;
    default:
      return text;
  }
}

/** The text of a form field for a value. */
export function parameterText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'object' && value !== null) {
    for (const key of ['$integer', '$number', '$blob']) {
      if (key in value) return String((value as Record<string, unknown>)[key]);
    }
  }
  return JSON.stringify(value);
}

function integerOf(text: string): SqlParameterJson | undefined {
  if (!/^-?\d{1,19}$/.test(text)) return undefined;
  return Number.isSafeInteger(Number(text)) ? Number(text) : { $integer: text };
}

function listOf(text: string): SqlParameterJson {
  if (text.startsWith('[')) {
    try {
      return JSON.parse(text) as SqlParameterJson;
    } catch {
      // Not JSON: a list between commas, whose first one begins with a bracket.
    }
  }
  return text.split(',').map((one) => integerOf(one.trim()) ?? one.trim()) as SqlParameterJson;
}
