import { createHash } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '@muster/runtime/program';
import type { JsonValue } from '../../actions/contract/action.js';
import { ensurePrivateFolder, readFileIfThere, writeFileAtomic } from '../../store/atomic-file.js';
import type { AgreedTime } from './agreed-time.js';
import type { CommandKey } from './history-entry.js';

/** What an action stored so that it can be undone. */
export interface UndoData {
  /** The name of the action. */
  readonly action: string;
  readonly info: JsonValue;
}

/** Commands are in the journal for 30 days; older ones cannot be undone. */
const KEPT_FOR_MS = 31 * 24 * 3_600_000;

export interface UndoStoreOptions {
  readonly folder: string;
  readonly time: AgreedTime;
  readonly logger: Logger;
}

/** What actions stored so that they can be undone: one file for each command, deleted when the command is undone. */
export class UndoStore {
  readonly #options: UndoStoreOptions;
  readonly #folder: string;

  constructor(options: UndoStoreOptions) {
    this.#options = options;
    this.#folder = join(options.folder, 'undo');
  }

  /**
   * On disk when it returns. A later call for the same command replaces the data. Throws the errors of the file system.
   */
  keep(key: CommandKey, data: UndoData, signedAtMs: number): void {
    ensurePrivateFolder(this.#folder);
    writeFileAtomic(this.#path(key), JSON.stringify({ ...key, ...data, signedAtMs }));
  }

  get(key: CommandKey): UndoData | undefined {
    const text = readFileIfThere(this.#path(key));
    if (text === undefined) return undefined;
    const { action, info } = parseStored(text);
    return typeof action === 'string' && info !== undefined ? { action, info } : undefined;
  }

  /** The command was undone: it cannot be undone again. */
  drop(key: CommandKey): void {
    rmSync(this.#path(key), { force: true });
  }

  /**
   * Removes what is too old, by both clocks and by when its command was signed: neither a clock that jumped nor the time
   * of a file that was written meanwhile decides. A session must have begun. Never throws.
   */
  dropOld(): void {
    const { time, logger } = this.#options;
    const beforeMs = (time.earliestMs ?? 0) - KEPT_FOR_MS;
    try {
      if (!existsSync(this.#folder)) return;
      for (const name of readdirSync(this.#folder)) {
        const path = join(this.#folder, name);
        // Most are younger: only what the file's own time says to be old is opened.
        if (statSync(path).mtimeMs >= beforeMs) continue;
        // Earlier versions kept no time of the signature.
        const { signedAtMs = 0 } = parseStored(readFileIfThere(path) ?? '{}');
        if (signedAtMs < beforeMs) rmSync(path, { force: true });
      }
    } catch (error) {
      logger.error('old undo data cannot be removed', { err: error });
    }
  }

  /** A hash, because the id in the parameters of an undo is untrusted text. */
  #path({ id, number }: CommandKey): string {
    return join(this.#folder, `${createHash('sha256').update(`${id} ${number}`).digest('hex')}.json`);
  }
}

function parseStored(text: string): {
  readonly action?: unknown;
  readonly info?: JsonValue;
  readonly signedAtMs?: number;
} {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
