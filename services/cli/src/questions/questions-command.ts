import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiProblem } from '@muster/api-client';
import type { QuestionJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { CliError, EXIT } from '../terminal/cli-error.js';
import { escapeControls, escapedLines, safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, printList, type ListOutput } from '../terminal/listing.js';
import { importQuestions, MAX_IMPORT_BYTES } from './import-questions.js';
import {
  allSaved,
  findLocal,
  findQuestion,
  localNames,
  orgQuestion,
  ownFolder,
  readQuestionFile,
  sourceNote,
  type NamedQuestion,
} from './library.js';
import { fileText } from './question-contents.js';
import { addSavedCommands, bare } from './saved-command.js';

/** `muster questions`: those of the org, those that come with the CLI and one's own, and the import of those of others. */
export function addQuestionsCommand(program: Command, env: CommandEnv): Command {
  const questions = program
    .command('questions')
    .description(
      "Saved questions: the org's library, those that come with the CLI, and your own, the *.sql files in $MUSTER_QUESTIONS.",
    );

  questions
    .command('list', { isDefault: true })
    .description('Lists them; `muster query @NAME` asks one.')
    .option('--tag <tag>', 'only those with this tag')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(({ tag, output }: { tag?: string; output: string }) => list(env, tag, parseOutput(output, LIST_OUTPUTS)));

  questions
    .command('show <name>')
    .description('Prints a saved question as a file.')
    .option('-o, --output <form>', 'file|json', 'file')
    .action(async (name: string, { output }: { output: string }) => {
      const form = parseOutput(output, ['file', 'json']);
      const found = await findOrLocal(env, bare(name));
      const note = sourceNote(found);
      if (note !== undefined) await env.terminal.stderr.write(`${note}\n`);
      const { question, saved, source } = found;
      const { stdout } = env.terminal;
      if (form === 'json') return stdout.write(`${safeJson(saved ?? { name: found.name, source, ...question })}\n`);
      const text = saved === undefined ? question.sql : fileText(saved);
      await stdout.write(escapedLines(text.trimEnd().split('\n')));
    });

  addSavedCommands(questions, env);

  questions
    .command('check <files...>')
    .description('Reads question files and says what is wrong with them; nothing is asked.')
    .action(async (files: string[]) => {
      for (const file of files) readQuestionFile(file);
      await env.terminal.stderr.write(`${files.length} question${files.length === 1 ? '' : 's'}, no fault\n`);
    });

  questions
    .command('import <files...>')
    .description(
      'Writes question files from osquery packs (JSON), Fleet queries (YAML) and SQL files, and says what it could not take over.',
    )
    .requiredOption('--to <folder>', 'where to write them; files that are there stay as they are')
    .action(async (files: string[], { to }: { to: string }) => {
      let written = 0;
      let left = 0;
      for (const file of files) {
        const { questions: found, notes } = importQuestions(file, readBounded(file));
        for (const note of notes) await env.terminal.stderr.write(`${escapeControls(`${file}: ${note}`)}\n`);
        left += notes.length;
        for (const { name, text } of found) {
          if (writeNew(join(to, `${name}.sql`), text)) written += 1;
          else {
            left += 1;
            await env.terminal.stderr.write(
              `${escapeControls(join(to, `${name}.sql`))} is there already; left as it is\n`,
            );
          }
        }
      }
      await env.terminal.stderr.write(`${written} written, ${left} remarks\n`);
      if (written === 0) env.exit(EXIT.error);
    });
  return questions;
}

/** Those on this machine are there also when the org's library cannot be asked; that is said. */
async function libraryOrNote(env: CommandEnv): Promise<readonly QuestionJson[]> {
  try {
    return await allSaved(env.client());
  } catch (error) {
    const fault = env.cliError(error);
    if (!(fault instanceof CliError)) throw fault;
    await env.terminal.stderr.write(`${escapeControls(`without the org's questions: ${fault.message}`)}\n`);
    return [];
  }
}

async function list(env: CommandEnv, tag: string | undefined, form: ListOutput): Promise<void> {
  const own = ownFolder(env.terminal.env);
  const saved = new Map((await libraryOrNote(env)).map((one) => [one.name, one]));
  const found = [...new Set([...localNames(own), ...saved.keys()])].sort().flatMap((name) => {
    const local = findLocal(name, own);
    const ofOrg = saved.get(name);
    const one = ofOrg === undefined || local?.source === 'file' ? local : orgQuestion(ofOrg, local);
    return one === undefined ? [] : [one];
  });
  const items = found
    .filter(({ question }) => tag === undefined || question.tags?.includes(tag) === true)
    .map(({ name, source, question: { body: _body, ...question }, saved: ofOrg }) => ({
      ...{ name, source, isShipped: source === 'shipped', ...question },
      ...(ofOrg === undefined ? {} : { owner: ofOrg.owner, changedAt: ofOrg.changedAt, changedBy: ofOrg.changedBy }),
    }));
  await printList(env.terminal, form, items, {
    headers: ['question', 'from', 'parameters', 'tags', 'what it asks'],
    row: ({ name, source, owner, params = [], tags = [], description = '' }) => [
      ...[name, owner === undefined ? source : `org, ${owner.name}`],
      ...[params.map((one) => (one.fallback === undefined ? one.name : `[${one.name}]`)).join(' ')],
      ...[tags.join(','), description],
    ],
    nothing: 'There are none.',
  });
}

/** Without a server there is still what is on this machine. */
async function findOrLocal(env: CommandEnv, name: string): Promise<NamedQuestion> {
  const local = findLocal(name, ownFolder(env.terminal.env));
  try {
    return await findQuestion(env, name);
  } catch (error) {
    if (local === undefined || error instanceof ApiProblem) throw error;
    return local;
  }
}

function readBounded(file: string): string {
  try {
    if (statSync(file).size > MAX_IMPORT_BYTES)
      throw new CliError(`${file} has more than ${MAX_IMPORT_BYTES} bytes`, { exitCode: EXIT.usage });
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new CliError(`${file} cannot be read: ${why}`, { exitCode: EXIT.usage, cause });
  }
}

/** False when there is one already. @throws CliError when it cannot be written */
function writeNew(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'wx' });
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    throw new CliError(`${path} cannot be written: ${code ?? String(cause)}`, { exitCode: EXIT.usage, cause });
  }
}
