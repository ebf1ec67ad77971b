import type { QueryJson } from '@muster/api-contract';
import type { InputOf, Operations } from '@muster/api-client';
import { parameterNames, parameterText, parameterValue, type Question } from '../questions/question-text.js';

/** What the form says: the question as it would be asked now. */
export interface Draft {
  readonly sql: string;
  readonly selector: string;
  readonly group: boolean;
  readonly reduce: string;
  readonly timeout: string;
  /** How long to wait for absent endpoints: empty for not at all, `24h`, `7d`. */
  readonly wait: string;
  readonly params: Readonly<Record<string, string>>;
  readonly types: Readonly<Record<string, string>>;
  /** What each parameter is for. */
  readonly notes: Readonly<Record<string, string>>;
  /** The question of the library that it was taken from. */
  readonly saved?: { readonly name: string; readonly version: number } | undefined;
}

export type StartQuery = NonNullable<InputOf<Operations['POST /v1/queries']>['body']>;

const KEY = 'muster.draft';

export const EMPTY_DRAFT: Draft = {
  sql: 'SELECT name, version FROM os_version',
  selector: '',
  group: false,
  reduce: '',
  timeout: '30s',
  wait: '',
  params: {},
  types: {},
  notes: {},
};

export function keptDraft(): Draft {
  try {
    return { ...EMPTY_DRAFT, ...(JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Partial<Draft>) };
  } catch {
    return EMPTY_DRAFT;
  }
}

export function keepDraft(draft: Draft): void {
  sessionStorage.setItem(KEY, JSON.stringify(draft));
}

/** The names of the parameters that the statements use. */
export function paramsOf(draft: Draft): readonly string[] {
  return parameterNames(draft.sql, draft.reduce);
}

/** The question as the API takes it. */
export function bodyOf(draft: Draft, now = Date.now()): StartQuery {
  const names = paramsOf(draft);
  const parameters = Object.fromEntries(
    names.map((name) => [name, parameterValue(draft.params[name] ?? '', draft.types[name])]),
  );
  return {
    sql: draft.sql,
    selector: draft.selector,
    mode: draft.group ? 'group' : 'raw',
    timeout: draft.timeout,
    ...(draft.reduce.trim() === '' ? {} : { reduce: draft.reduce }),
    ...(names.length === 0 ? {} : { parameters }),
    ...(draft.wait === '' ? {} : { waitUntil: new Date(now + (WAITS[draft.wait] ?? 0)).toISOString() }),
  };
}

const HOUR_MS = 3_600_000;
/** How long a hunt may wait. */
export const WAITS: Readonly<Record<string, number>> = {
  '1h': HOUR_MS,
  '24h': 24 * HOUR_MS,
  '3d': 72 * HOUR_MS,
  '7d': 168 * HOUR_MS,
  '14d': 336 * HOUR_MS - 60_000,
};

/** The form as it was when a query was asked. */
export function draftOf(query: QueryJson): Draft {
  const params = Object.entries(query.parameters ?? {}).map(([name, value]) => [name, parameterText(value)]);
  return {
    ...EMPTY_DRAFT,
    sql: query.sql,
    selector: query.selector,
    group: query.mode === 'group',
    reduce: query.reduce ?? '',
    timeout: `${Math.round(query.timeoutMs / 1_000)}s`,
    params: Object.fromEntries(params) as Record<string, string>,
  };
}

/** The form after a saved question was chosen. Its selector stays where the question says none. */
export function draftFrom(question: Question, before: Draft): Draft {
  return {
    ...EMPTY_DRAFT,
    sql: question.sql,
    selector: question.target === '' ? before.selector : question.target,
    group: question.group,
    reduce: question.reduce,
    timeout: question.timeout === '' ? before.timeout : question.timeout,
    wait: before.wait,
    params: Object.fromEntries(question.params.map(({ name, fallback }) => [name, fallback])),
    types: Object.fromEntries(question.params.map(({ name, type }) => [name, type])),
    notes: Object.fromEntries(question.params.map(({ name, description }) => [name, description])),
  };
}

/** The question that the form stands for, under a name. */
export function questionOf(draft: Draft, name: string, description: string, tags: readonly string[]): Question {
  return {
    ...{ name, description, tags, sql: draft.sql, target: draft.selector, group: draft.group },
    ...{ reduce: draft.reduce, timeout: draft.timeout },
    params: paramsOf(draft).map((param) => ({
      ...{ name: param, type: draft.types[param] ?? '', description: draft.notes[param] ?? '' },
      fallback: draft.params[param] ?? '',
    })),
  };
}
