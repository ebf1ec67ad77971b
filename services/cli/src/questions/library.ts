import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiProblem, type ApiClient } from '@muster/api-client';
import type { QuestionJson } from '@muster/api-contract';
import { nearest } from '../terminal/nearest.js';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, EXIT, usageError } from '../terminal/cli-error.js';
import { escapeControls } from '../terminal/escape.js';
import { questionOf } from './question-contents.js';
import { parseQuestion, type Question } from './question-file.js';
import { shippedQuestions } from './shipped-questions.js';

const NAME = /^[a-z0-9][a-z0-9-]{0,99}$/;

/** Where a question comes from; the first that has the name wins. */
export type Source = 'file' | 'org' | 'shipped';

export interface NamedQuestion {
  readonly name: string;
  readonly source: Source;
  readonly question: Question;
  /** As the org's library has it. */
  readonly saved?: QuestionJson;
  /** Another question of this name is not asked. */
  readonly hides?: Source;
}

/** The folder of one's own questions, which win over those of the org and those that come with the CLI. */
export function ownFolder(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const folder = env['MUSTER_QUESTIONS'];
  return folder === undefined || folder === '' ? undefined : folder;
}

/** The names of the questions that are on this machine, sorted. @throws CliError when the folder of one's own cannot be read */
export function localNames(own: string | undefined): string[] {
  return [...new Set([...shippedQuestions().keys(), ...(own === undefined ? [] : namesIn(own))])].sort();
}

/** A question on this machine. @throws CliError when its file has a fault */
export function findLocal(name: string, own: string | undefined): NamedQuestion | undefined {
  const text = shippedQuestions().get(name);
  if (own !== undefined && NAME.test(name) && namesIn(own).includes(name)) {
    const question = readQuestionFile(join(own, `${name}.sql`));
    return { name, source: 'file', question, ...(text === undefined ? {} : { hides: 'shipped' }) };
  }
  return text === undefined ? undefined : { name, source: 'shipped', question: parseQuestion(text) };
}

/**
 * The question of this name: of one's own files, of the org, or of those that come with the CLI.
 * @throws CliError when there is none, or its file has a fault; ApiProblem, ConnectionError when the org cannot be asked: another
 * question of the same name must not be taken for the org's.
 */
export async function findQuestion(env: CommandEnv, name: string): Promise<NamedQuestion> {
  const own = ownFolder(env.terminal.env);
  const local = findLocal(name, own);
  if (local?.source === 'file') return local;
  const saved = NAME.test(name) ? await findSaved(env.client(), name) : undefined;
  if (saved !== undefined) return orgQuestion(saved, local);
  if (local !== undefined) return local;
  const meant = nearest(name, [...new Set([...localNames(own), ...(await savedNames(env.client()))])]);
  throw usageError(
    `there is no question "${name}"`,
    meant === undefined ? '`muster questions` lists them' : `did you mean @${meant}?`,
  );
}

export function orgQuestion(saved: QuestionJson, local: NamedQuestion | undefined): NamedQuestion {
  return {
    ...{ name: saved.name, source: 'org', question: questionOf(saved), saved },
    ...(local === undefined ? {} : { hides: local.source }),
  };
}

/** The question in the org's library; undefined where there is none, or the server is from before the library. */
export async function findSaved(client: ApiClient, name: string): Promise<QuestionJson | undefined> {
  return orNone(() => client.call('GET /v1/questions/{name}', { params: { name } }), undefined);
}

/** The whole library; nothing where the server is from before it. */
export async function allSaved(client: ApiClient): Promise<readonly QuestionJson[]> {
  return orNone(async () => {
    const found: QuestionJson[] = [];
    for await (const one of client.items('GET /v1/questions', { query: { limit: 1_000 } })) found.push(one);
    return found;
  }, []);
}

async function savedNames(client: ApiClient): Promise<readonly string[]> {
  return (await allSaved(client)).map(({ name }) => name);
}

async function orNone<T>(ask: () => Promise<T>, none: T): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return none;
    throw error;
  }
}

/** Says where a question comes from, when another one of its name is not asked. */
export function sourceNote({ name, source, saved, hides }: NamedQuestion): string | undefined {
  if (hides === undefined) return undefined;
  const what =
    source === 'org' && saved !== undefined
      ? `the org's question (version ${saved.version}, by ${saved.changedBy.name})`
      : 'the one of your own file';
  return escapeControls(`@${name} is ${what}, not the one that comes with the CLI`);
}

/** The questions of a folder, by name. @throws CliError for a file that has a fault */
export function questionsOf(folder: string): readonly { readonly name: string; readonly question: Question }[] {
  return namesIn(folder)
    .toSorted()
    .map((name) => ({ name, question: readQuestionFile(join(folder, `${name}.sql`)) }));
}

/** @throws CliError for a file that cannot be read or has a fault, with its path */
export function readQuestionFile(path: string): Question {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw cannotRead(path, cause);
  }
  try {
    return parseQuestion(text);
  } catch (cause) {
    if (!(cause instanceof CliError)) throw cause;
    throw new CliError(`${path}: ${cause.message}`, {
      ...{ exitCode: EXIT.usage, cause },
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
    });
  }
}

function namesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((file) => file.endsWith('.sql'));
    return names.map((file) => file.slice(0, -'.sql'.length)).filter((name) => NAME.test(name));
  } catch (cause) {
    throw cannotRead(folder, cause);
  }
}

function cannotRead(path: string, cause: unknown): CliError {
  const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new CliError(`${path} cannot be read: ${why}`, { exitCode: EXIT.usage, cause });
}
