import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Oracle, Run } from './oracle.js';

/** Writes the runs of an oracle to a file, so that another process can compare them with the journal. */
export class OracleFile {
  readonly #oracle: Oracle;
  readonly #path: string;
  #written = -1;

  constructor(oracle: Oracle, path: string) {
    this.#oracle = oracle;
    this.#path = path;
  }

  /** Replaces the file atomically, when there is something new. */
  write(): void {
    const { all, notes } = this.#oracle;
    if (notes === this.#written) return;
    this.#written = notes;
    writeFileSync(`${this.#path}.new`, JSON.stringify(all));
    renameSync(`${this.#path}.new`, this.#path);
  }
}

/** The runs in the files of a fleet's processes. */
export function readOracleFiles(...paths: readonly string[]): Run[] {
  return paths.flatMap((path) => JSON.parse(readFileSync(path, 'utf8')) as Run[]);
}
