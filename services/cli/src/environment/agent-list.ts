import { existsSync, readFileSync } from 'node:fs';
import { CliError, EXIT, usageError } from '../terminal/cli-error.js';
import type { CommandEnv } from './command-env.js';
import { wholeId } from './short-ids.js';

/**
 * `--agents`: ids between commas, which may be shortened, or a file with an id on each line, `-` for standard input; duplicates removed.
 * @throws CliError that names what is no id
 */
export async function readAgentList(env: Pick<CommandEnv, 'terminal' | 'client'>, text: string): Promise<string[]> {
  const given = isAgentFile(text) ? await readIds(env, text) : text;
  const ids = new Set<string>();
  for (const id of checkAgentIds(given)) ids.add(await wholeId(env.client(), 'agent', id));
  return [...ids];
}

/** An id has neither dot nor slash, and is no file. */
export function isAgentFile(text: string): boolean {
  return text === '-' || (!text.includes(',') && (/[./]/.test(text) || existsSync(text)));
}

/** The check that needs no server. @throws CliError */
export function checkAgentIds(text: string): string[] {
  const given = [...new Set(text.split(',').map((id) => id.trim()))];
  const wrong = given.filter((id) => !/^[a-z2-7]{4,24}$/.test(id));
  if (wrong.length > 0)
    throw usageError(
      `--agents takes ids; ${wrong.map((id) => `"${id}"`).join(', ')} ${wrong.length === 1 ? 'is none' : 'are none'}`,
      '--target host=NAME selects by name',
    );
  return given;
}

/** Lines of ids as one list between commas: empty lines and comments are none. */
async function readIds({ terminal }: Pick<CommandEnv, 'terminal'>, path: string): Promise<string> {
  const lines = (path === '-' ? await terminal.readInput() : readFile(path)).split(/\r?\n/);
  const ids = lines.map((line) => line.replace(/#.*/, '').trim()).filter((line) => line !== '');
  if (ids.length === 0) throw usageError(`--agents ${path} has no ids`);
  return ids.join(',');
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new CliError(`${path} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`, {
      exitCode: EXIT.usage,
      cause,
    });
  }
}
