import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CliError, usageError } from '../terminal/cli-error.js';
import type { Terminal } from '../terminal/terminal.js';
import { configPath, readConfig } from './config-file.js';

/** Which server is asked, and with which credentials. */
export interface Context {
  readonly apiUrl: string;
  readonly token: string | undefined;
  /** Path of a PEM file with the authority to trust instead of the system's. */
  readonly caPath: string | undefined;
  /** Address of the console, for links. */
  readonly consoleUrl?: string | undefined;
  /** Where this was found, for people. */
  readonly source: string;
}

/**
 * The context in force, which is the first of these that exists.
 *
 * - what `--context` or MUSTER_CONTEXT names
 * - MUSTER_API_URL
 * - the current context of the configuration file
 * - `.muster/local.json` of a running local stack, in the working directory or above it
 *
 * MUSTER_TOKEN, MUSTER_CA and MUSTER_CONSOLE_URL override its token, authority and console.
 * @throws CliError when nothing is configured
 */
export function resolveContext(terminal: Terminal, named: string | undefined): Context {
  const { env } = terminal;
  const found = findContext(terminal, named ?? (env['MUSTER_CONTEXT'] || undefined));
  const context = {
    ...found,
    token: env['MUSTER_TOKEN'] || found.token,
    caPath: env['MUSTER_CA'] || found.caPath,
    consoleUrl: env['MUSTER_CONSOLE_URL'] || found.consoleUrl,
  };
  if (!URL.canParse(context.apiUrl) || !['http:', 'https:'].includes(new URL(context.apiUrl).protocol)) {
    throw usageError(`the API's address from ${context.source} is not an http(s) URL: ${context.apiUrl}`);
  }
  return { ...context, apiUrl: context.apiUrl.replace(/\/+$/, '') };
}

function findContext(terminal: Terminal, named: string | undefined): Context {
  const { env, cwd } = terminal;
  const path = configPath(terminal);
  if (named !== undefined) {
    const entry = readConfig(path).contexts[named];
    if (entry === undefined)
      throw usageError(`there is no context "${named}" in ${path}`, 'muster context list shows those there are');
    return { ...entry, token: entry.token, caPath: entry.caPath, source: `context ${named}` };
  }
  if (env['MUSTER_API_URL']) {
    return { apiUrl: env['MUSTER_API_URL'], token: undefined, caPath: undefined, source: 'MUSTER_API_URL' };
  }
  const config = readConfig(path);
  const current = config.current === undefined ? undefined : config.contexts[config.current];
  if (current !== undefined)
    return { ...current, token: current.token, caPath: current.caPath, source: `context ${config.current}` };
  const local = findLocal(cwd);
  if (local !== undefined) return local;
  throw new CliError('no server is configured', {
    hint: 'run `npm start` for one on this machine, or `muster context set NAME --api-url URL --token TOKEN`, or set MUSTER_API_URL and MUSTER_TOKEN',
  });
}

/** The file that a local stack in this folder or above it has written. */
function findLocal(cwd: string): Context | undefined {
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const path = join(folder, '.muster', 'local.json');
    const local = readLocalFile(path);
    if (local !== undefined) {
      if (!isRunning(local.pids?.['runner'])) {
        throw new CliError(`the local stack of ${path} no longer runs`, { hint: 'start it again: npm start' });
      }
      return { apiUrl: local.apiUrl, token: local.token, caPath: local.caPath, source: path };
    }
    if (dirname(folder) === folder) return undefined;
  }
}

interface LocalFile {
  readonly apiUrl: string;
  readonly token: string;
  readonly caPath?: string;
  readonly pids?: Readonly<Record<string, number>>;
}

function readLocalFile(path: string): LocalFile | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as LocalFile;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new CliError(`${path} cannot be read`, { cause: error });
  }
}

/** A runner that was killed leaves its file behind, so its process is looked for. */
function isRunning(pid: number | undefined): boolean {
  if (pid === undefined) return true;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
