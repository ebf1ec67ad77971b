import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError } from '../terminal/cli-error.js';
import type { Terminal } from '../terminal/terminal.js';

/** A named server. */
export interface ContextEntry {
  readonly apiUrl: string;
  readonly token?: string;
  readonly caPath?: string;
  readonly consoleUrl?: string;
}

export interface ConfigFile {
  readonly current?: string;
  readonly contexts: Readonly<Record<string, ContextEntry>>;
}

/** `$XDG_CONFIG_HOME/muster/config.json`, by default below `~/.config`. */
export function configPath({ env, home }: Pick<Terminal, 'env' | 'home'>): string {
  return join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'muster', 'config.json');
}

/** The file's content; without a file there are no contexts. @throws CliError when it is damaged */
export function readConfig(path: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { contexts: {} };
    throw new CliError(`${path} cannot be read`, { cause: error });
  }
  try {
    const config = JSON.parse(text) as ConfigFile;
    if (typeof config.contexts === 'object' && config.contexts !== null) return config;
  } catch {
    // Reported below, like any other content that is not a configuration.
  }
  throw new CliError(`${path} is not a configuration of muster`, {
    hint: 'mend it, or remove it and set the contexts again',
  });
}

/** Writes the file atomically. Only its owner can read it, because it holds tokens. */
export function writeConfig(path: string, config: ConfigFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, path);
}
