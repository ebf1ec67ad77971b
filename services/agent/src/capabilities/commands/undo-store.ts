import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '@muster/runtime/program';
import type { JsonValue } from '../../actions/contract/action.js';
import { ensurePrivateFolder, readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';
import type { CommandKey } from './history-entry.js';

/** What an action kept to be undone. */
export interface Kept {
  /** Its name. */
  readonly action: string;
  readonly info: JsonValue;
}

/** Commands are in the journal for 30 days; nobody can name an older one. */
const KEPT_FOR_MS = 31 * 24 * 3_600_000;

/** What actions keep to be undone: one file for each command that ran here, gone when it was used. */
export class UndoStore {
  readonly #folder: string;

  constructor({ folder, clock, logger }: { readonly folder: string; readonly clock: Clock; readonly logger: Logger }) {
    this.#folder = join(folder, 'undo');
    try {
      ensurePrivateFolder(this.#folder);
      this.#dropOld(clock.now() - KEPT_FOR_MS);
    } catch (error) {
      logger.error('what is kept for undoing cannot be tidied', { err: error });
    }
  }

  /** On disk when it returns. Of several for one command the last counts. Throws what the file system throws. */
  keep(key: CommandKey, kept: Kept): void {
    ensurePrivateFolder(this.#folder);
    writeFileAtomic(this.#path(key), JSON.stringify({ ...key, ...kept }));
  }

  get(key: CommandKey): Kept | undefined {
    const text = readFileIfThere(this.#path(key));
    if (text === undefined) return undefined;
    try {
      const { action, info } = JSON.parse(text) as { action?: unknown; info?: JsonValue };
      return typeof action === 'string' && info !== undefined ? { action, info } : undefined;
    } catch {
      return undefined;
    }
  }

  /** It was used: it cannot be used again. */
  drop(key: CommandKey): void {
    rmSync(this.#path(key), { force: true });
  }

  /** A hash, because the id in an undo's parameters is text from elsewhere. */
  #path({ id, number }: CommandKey): string {
    return join(this.#folder, `${createHash('sha256').update(`${id} ${number}`).digest('hex')}.json`);
  }

  #dropOld(beforeMs: number): void {
    for (const name of readdirSync(this.#folder)) {
      const path = join(this.#folder, name);
      if (statSync(path).mtimeMs < beforeMs) rmSync(path, { force: true });
    }
  }
}
