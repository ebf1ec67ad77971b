import type { QuestionBody, QuestionJson, SqlParameterJson } from '@muster/api-contract';
import { parseDurationMs } from '@muster/runtime/quantity';
import { CliError, usageError } from '../terminal/cli-error.js';
import { paramText, readParam } from './query-params.js';
import { parseQuestion, type Question, type QuestionParam } from './question-file.js';

/** What a saved question is, without who saved it and when. */
export type QuestionContents = Omit<QuestionBody, 'version'>;

/** A question of the org as one of a file is asked. */
export function questionOf(saved: QuestionJson): Question {
  const { sql, version, description, tags, parameters, target, mode, reduce, timeoutMs } = saved;
  const params = parameters.map((one): QuestionParam => {
    // Only told to be readonly.
    const value = one.default as SqlParameterJson | undefined;
    return {
      ...{ name: one.name, type: one.type },
      ...(value === undefined ? {} : { fallback: paramText(value) ?? JSON.stringify(value), value }),
      ...(one.description === undefined ? {} : { description: one.description }),
    };
  });
  return {
    ...{ sql, version },
    ...(description === undefined ? {} : { description }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(params.length === 0 ? {} : { params }),
    ...(target === undefined || target === '' ? {} : { target }),
    ...(mode === 'group' ? { group: true } : {}),
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeoutMs === undefined ? {} : { timeout: durationText(timeoutMs) }),
  };
}

/** What a question is saved as. @throws CliError for a default or a timeout that is none */
export function contentsOf(question: Question): QuestionContents {
  const { sql, body = sql.trim(), description, tags = [], params = [], target, group, reduce, timeout } = question;
  if (body === '') throw usageError('the question has no SQL');
  const timeoutMs = timeout === undefined ? undefined : parseDurationMs(timeout);
  if (timeout !== undefined && timeoutMs === undefined) throw usageError(`"timeout: ${timeout}" is no duration`);
  return {
    sql: body,
    ...(description === undefined ? {} : { description }),
    tags: [...tags],
    parameters: params.map(({ name, type, fallback, value, description: what }) => ({
      ...{ name, type },
      ...(fallback === undefined ? {} : { default: value === undefined ? readParam(name, type, fallback) : value }),
      ...(what === undefined ? {} : { description: what }),
    })),
    ...(target === undefined || target === '' ? {} : { target }),
    mode: group === true ? 'group' : 'raw',
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** Which members of two differ, in the order of a file. */
export function differences(one: QuestionContents, other: QuestionContents): (keyof QuestionContents)[] {
  const keys = ['description', 'target', 'tags', 'parameters', 'mode', 'timeoutMs', 'reduce', 'sql'] as const;
  return keys.filter((key) => JSON.stringify(one[key]) !== JSON.stringify(other[key]));
}

/**
 * The file of a question of the org, with its version, so that a change of the file is a change of that version.
 * @throws CliError where a file cannot say it: text of the org must not be read as another option
 */
export function fileText(saved: QuestionJson): string {
  const { description, tags = [], params = [], target, group, reduce, timeout, sql } = questionOf(saved);
  const lines = [
    ...(description === undefined ? [] : [`description: ${description}`]),
    `version: ${saved.version}`,
    ...(target === undefined ? [] : [`target: ${target}`]),
    ...(tags.length === 0 ? [] : [`tags: ${tags.join(', ')}`]),
    ...params.map((one) => `param: ${paramLine(one)}`),
    ...(group === true ? ['group: yes'] : []),
    ...(timeout === undefined ? [] : [`timeout: ${timeout}`]),
    ...(reduce === undefined ? [] : [`reduce: ${reduce.trim().replaceAll(/\s*\n\s*/g, '\n--   ')}`]),
  ];
  const text = `${lines.map((line) => `-- ${line}\n`).join('')}${sql.trimEnd()}\n`;
  if (!readsAs(text, saved))
    throw new CliError(`the question ${saved.name} cannot be written as a file`, {
      hint: '-o json has all of it',
    });
  return text;
}

function paramLine({ name, type, fallback, description }: QuestionParam): string {
  const value = fallback === undefined ? '' : ` = ${fallback}`.trimEnd();
  return `${name} ${type}${value}${description === undefined ? '' : ` -- ${description}`}`;
}

function readsAs(text: string, saved: QuestionJson): boolean {
  try {
    const read = contentsOf(parseQuestion(text));
    const meant = contentsOf(questionOf(saved));
    return (
      differences({ ...read, reduce: oneLine(read.reduce) }, { ...meant, reduce: oneLine(meant.reduce) }).length === 0
    );
  } catch (error) {
    if (error instanceof CliError) return false;
    throw error;
  }
}

/** Lines of a reduce become one, where blanks mean the same: not in texts, names and comments. */
function oneLine(sql: string | undefined): string | undefined {
  const text = sql?.trim();
  return text === undefined || /['"`[]|--/.test(text) ? text : text.replaceAll(/\s+/g, ' ');
}

function durationText(ms: number): string {
  return ms % 1_000 === 0 ? `${ms / 1_000}s` : `${ms}ms`;
}
