import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const MOST_LINES = 1_000;

/** The lines that were typed before, in a file that only its owner reads. What cannot be read or written is no reason to stop. */
export class ShellHistory {
  readonly #path: string;
  /** The newest first. */
  readonly #lines: string[];

  constructor(path: string) {
    this.#path = path;
    this.#lines = readLines(path).reverse();
  }

  /** Newest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  add(line: string): void {
    if (line.trim() === '' || this.#lines[0] === line) return;
    this.#lines.unshift(line);
    this.#lines.splice(MOST_LINES);
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      writeFileSync(this.#path, `${this.#lines.toReversed().join('\n')}\n`, { mode: 0o600 });
    } catch {
      // It is there for this shell all the same.
    }
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

export function historyPath(home: string, env: Readonly<Record<string, string | undefined>>): string {
  return env['MUSTER_SHELL_HISTORY'] ?? join(home, '.config', 'muster', 'shell-history');
}
