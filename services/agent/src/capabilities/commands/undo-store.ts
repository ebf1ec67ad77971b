import { createHash } from 'node:crypto';
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock, Logger } from '@muster/runtime/program';
import type { JsonValue } from '../../actions/contract/action.js';
import { ensurePrivateFolder, readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';
import type { CommandKey } from './history-entry.js';

/** What an action stored so that it can be undone. */
export interface UndoData {
  /** The name of the action. */
  readonly action: string;
  readonly info: JsonValue;
}

/** Commands are in the journal for 30 days; older ones cannot be undone. */
const KEPT_FOR_MS = 31 * 24 * 3_600_000;

/** What actions stored so that they can be undone: one file for each command, deleted when the command is undone. */
export class UndoStore {
  readonly #folder: string;

  constructor({ folder, clock, logger }: { readonly folder: string; readonly clock: Clock; readonly logger: Logger }) {
    this.#folder = join(folder, 'undo');
    try {
      ensurePrivateFolder(this.#folder);
      this.#dropOld(clock.now() - KEPT_FOR_MS);
    } catch (error) {
      logger.error('old undo data cannot be removed', { err: error });
    }
  }

  /**
   * On disk when it returns. A later call for the same command replaces the data. Throws the errors of the file system.
   */
  keep(key: CommandKey, data: UndoData): void {
    ensurePrivateFolder(this.#folder);
    writeFileAtomic(this.#path(key), JSON.stringify({ ...key, ...data }));
  }

  get(key: CommandKey): UndoData | undefined {
    const text = readFileIfThere(this.#path(key));
    if (text === undefined) return undefined;
    try {
      const { action, info } = JSON.parse(text) as { action?: unknown; info?: JsonValue };
      return typeof action === 'string' && info !== undefined ? { action, info } : undefined;
    } catch {
      return undefined;
    }
  }

  /** The command was undone: it cannot be undone again. */
  drop(key: CommandKey): void {
    rmSync(this.#path(key), { force: true });
  }

  /** A hash, because the id in the parameters of an undo is untrusted text. */
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
