import { randomUUID } from 'node:crypto';
import { ApiProblem, type ApiClient } from '@muster/api-client';
import type { QuestionJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, EXIT, usageError } from '../terminal/cli-error.js';
import { escapeControls, escapedLines } from '../terminal/escape.js';
import { counted } from '../terminal/listing.js';
import { allSaved, findSaved, questionsOf, readQuestionFile } from './library.js';
import { contentsOf, differences, questionOf, type QuestionContents } from './question-contents.js';
import { parseQuestion, type Question } from './question-file.js';

interface SaveOptions {
  readonly file?: string;
  readonly description?: string;
  readonly tags?: string;
  readonly target?: string;
  readonly group?: boolean;
  readonly reduce?: string;
  readonly timeout?: string;
  readonly param: readonly string[];
  readonly force?: boolean;
}

/** `muster questions save|delete|apply|diff`: the library that the org shares. */
export function addSavedCommands(questions: Command, env: CommandEnv): void {
  questions
    .command('save <name> [sql]')
    .description("Saves a question in the org's library, or changes it; a file says which version it changes.")
    .option('-f, --file <path>', 'a question file, "-" for standard input; options win over what it says')
    .option('--description <text>', 'what it asks')
    .option('--tags <list>', 'words between commas')
    .option('-t, --target <selector>', 'the selector where who asks gives none')
    .option('-g, --group', 'equal rows become one')
    .option('-r, --reduce <sql>', 'a second SELECT over all answers')
    .option('--timeout <duration>', 'how long endpoints may take')
    .option(
      '-p, --param <declaration>',
      'a parameter: "port integer = 22 -- the port"; repeatable',
      (word: string, before: readonly string[]) => [...before, word],
      [],
    )
    .option('--force', 'change it whatever its version is')
    .action((name: string, sql: string | undefined, options: SaveOptions) => save(env, bare(name), sql, options));

  questions
    .command('delete <name>')
    .description("Deletes a question of the org's library; its last versions can still be read.")
    .action(async (text: string) => {
      const name = bare(text);
      await env.client().call('DELETE /v1/questions/{name}', { params: { name } });
      await env.terminal.stderr.write(`question ${name} is deleted\n`);
    });

  questions
    .command('apply')
    .description("Makes the org's library as the question files of a folder say; it deletes nothing.")
    .requiredOption('-f, --file <folder>', 'a folder of *.sql files')
    .action(({ file }: { file: string }) => apply(env, file));

  questions
    .command('diff <folder>')
    .description('Shows what `apply` would change; exit code 1 when that is something.')
    .action((folder: string) => diff(env, folder));
}

export function bare(name: string): string {
  return name.replace(/^@/, '');
}

async function save(env: CommandEnv, name: string, sql: string | undefined, options: SaveOptions): Promise<void> {
  const question = withOptions(await readSource(env, sql, options.file), options);
  const current = options.force === true ? await findSaved(env.client(), name) : undefined;
  const version = options.force === true ? (current?.version ?? 0) : (question.version ?? 0);
  const saved = await put(env.client(), { name, version, contents: contentsOf(question) }).catch((error: unknown) => {
    const fault = env.cliError(error);
    const isConflict = error instanceof ApiProblem && error.problem.code === 'conflict';
    throw isConflict && fault instanceof CliError
      ? fault.withHint(`\`muster questions show ${name}\` has its file with the version; --force overwrites it`)
      : fault;
  });
  await env.terminal.stderr.write(`question ${name} is saved, version ${saved.version}\n`);
}

async function readSource({ terminal }: CommandEnv, sql: string | undefined, file?: string): Promise<Question> {
  if ((sql === undefined) === (file === undefined)) throw usageError('give the SQL, or a file with -f');
  if (file === '-') return parseQuestion(await terminal.readInput());
  return file === undefined ? parseQuestion(sql ?? '') : readQuestionFile(file);
}

/** Options are read as the headers that they stand for. */
function withOptions(question: Question, options: SaveOptions): Question {
  const { description, tags, target, group, reduce, timeout, param } = options;
  const header = (name: string, text: string): string => {
    if (/[\r\n]/.test(text)) throw usageError(`--${name} must be one line`);
    return `-- ${name}: ${text}\n`;
  };
  const read = parseQuestion(
    [...(tags === undefined ? [] : [header('tags', tags)]), ...param.map((one) => header('param', one))].join(''),
  );
  return {
    ...question,
    ...(read.tags === undefined ? {} : { tags: read.tags }),
    ...(read.params === undefined ? {} : { params: read.params }),
    ...(description === undefined ? {} : { description }),
    ...(target === undefined ? {} : { target }),
    ...(group === undefined ? {} : { group }),
    ...(reduce === undefined ? {} : { reduce }),
    ...(timeout === undefined ? {} : { timeout }),
  };
}

interface Put {
  readonly name: string;
  /** That is changed; 0 for a new question. */
  readonly version: number;
  readonly contents: QuestionContents;
}

function put(client: ApiClient, { name, version, contents }: Put): Promise<QuestionJson> {
  const body = { version, ...contents };
  return client.call('PUT /v1/questions/{name}', { params: { name }, body, idempotencyKey: randomUUID() });
}

interface Change extends Put {
  readonly saved: QuestionJson | undefined;
  readonly keys: readonly (keyof QuestionContents)[];
}

/** What of a folder is not in the library. All files are read before anything is changed. */
async function changesOf(env: CommandEnv, folder: string) {
  const files = questionsOf(folder).map(({ name, question }) => ({ name, question, contents: contentsOf(question) }));
  if (files.length === 0) throw usageError(`${folder} has no question files`, 'they end in .sql');
  const library = new Map((await allSaved(env.client())).map((one) => [one.name, one]));
  const changes = files.map(({ name, question, contents }): Change => {
    const saved = library.get(name);
    const keys = differences(contents, saved === undefined ? EMPTY : contentsOf(questionOf(saved)));
    return { name, contents, saved, keys, version: question.version ?? saved?.version ?? 0 };
  });
  const names = new Set(files.map(({ name }) => name));
  return { changes, others: [...library.keys()].filter((name) => !names.has(name)) };
}

const EMPTY: QuestionContents = { sql: '', tags: [], parameters: [], mode: 'raw' };

async function apply(env: CommandEnv, folder: string): Promise<void> {
  const { changes, others } = await changesOf(env, folder);
  const { stdout, stderr } = env.terminal;
  let failed = 0;
  for (const change of changes) {
    if (change.keys.length === 0) {
      await stdout.write(`${change.name} unchanged\n`);
      continue;
    }
    try {
      const { version } = await put(env.client(), change);
      await stdout.write(`${change.name} ${change.saved === undefined ? 'created' : `changed, version ${version}`}\n`);
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status === 401) throw error;
      failed += 1;
      await stderr.write(`${escapeControls(`${change.name} not applied: ${error.message}`)}\n`);
    }
  }
  if (others.length > 0) await stderr.write(`${counted(others.length, 'question')} of the org not in ${folder}\n`);
  if (failed > 0) throw new CliError(`${counted(failed, 'question')} of ${changes.length} not applied`);
}

async function diff(env: CommandEnv, folder: string): Promise<void> {
  const { changes, others } = await changesOf(env, folder);
  const { stdout, stderr } = env.terminal;
  const changed = changes.filter(({ keys }) => keys.length > 0);
  for (const { name, saved, keys, contents } of changed) {
    const by = saved === undefined ? 'new' : `version ${saved.version}, by ${saved.changedBy.name}`;
    await stdout.write(escapedLines([`${saved === undefined ? '+' : '~'} ${name} (${by})`]));
    if (saved === undefined) continue;
    const before = contentsOf(questionOf(saved));
    for (const key of keys)
      await stdout.write(escapedLines([...fieldLines('-', key, before[key]), ...fieldLines('+', key, contents[key])]));
  }
  if (others.length > 0) await stderr.write(`${counted(others.length, 'question')} of the org not in ${folder}\n`);
  if (changed.length > 0) env.exit(EXIT.error);
}

function fieldLines(sign: string, key: string, value: unknown): string[] {
  if (value === undefined) return [];
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.split('\n').map((line) => `  ${sign} ${key}: ${line}`);
}
