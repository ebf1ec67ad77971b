import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import type { JudgedCheck } from '@muster/packs/verdict';
import { decodeChecks, hashOfChecks } from '@muster/packs/checks';
import type { Logger } from '@muster/runtime/program';
import { writeFileAtomic } from '../../store/atomic-file.js';

/** Packs that are kept; those that were used last. */
const MAX_PACKS = 8;

/** The checks of packs, by the hash that was signed, in files: a pack travels once, also over restarts. */
export class PackStore {
  readonly #folder: string;
  readonly #logger: Logger;

  constructor({ folder, logger }: { readonly folder: string; readonly logger: Logger }) {
    this.#folder = join(folder, 'packs');
    this.#logger = logger;
  }

  /** `undefined` when it is not here, or not as it was signed. */
  get(hash: string): readonly JudgedCheck[] | undefined {
    const path = this.#path(hash);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
      utimesSync(path, new Date(), new Date());
    } catch {
      return undefined;
    }
    return checksOf(bytes, hash);
  }

  /** Keeps the checks. `undefined` when the bytes are not those of the hash, or are no checks. */
  put(hash: string, bytes: Uint8Array): readonly JudgedCheck[] | undefined {
    const checks = checksOf(bytes, hash);
    if (checks === undefined) return undefined;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      writeFileAtomic(this.#path(hash), bytes);
      this.#dropOld();
    } catch (error) {
      // With a full disk it travels again with the next scan.
      this.#logger.warn('a pack cannot be kept', { path: this.#folder, err: error });
    }
    return checks;
  }

  #dropOld(): void {
    const files = readdirSync(this.#folder).map((name) => join(this.#folder, name));
    const byAge = files.map((path) => ({ path, usedMs: statSync(path).mtimeMs })).sort((a, b) => b.usedMs - a.usedMs);
    for (const { path } of byAge.slice(MAX_PACKS)) rmSync(path, { force: true });
  }

  #path(hash: string): string {
    return join(this.#folder, `${hash}.pack`);
  }
}

function checksOf(bytes: Uint8Array, hash: string): readonly JudgedCheck[] | undefined {
  return hashOfChecks(bytes) === hash ? decodeChecks(bytes) : undefined;
}
