import { createWriteStream, type WriteStream } from 'node:fs';
import { once } from 'node:events';

/**
 * The record of a round: one JSON object per line for each fault and for everything that a caller was told, in the order in which it
 * happened. `at`: milliseconds since the start of the round; `t` names what happened.
 */
export class ChaosRecord {
  readonly startedAtMs = Date.now();
  readonly #file: WriteStream | undefined;

  constructor(path: string | undefined) {
    this.#file = path === undefined ? undefined : createWriteStream(path);
  }

  note(t: string, fields: object): void {
    this.#file?.write(`${JSON.stringify({ at: Date.now() - this.startedAtMs, t, ...fields })}\n`);
  }

  async close(): Promise<void> {
    if (this.#file === undefined) return;
    this.#file.end();
    await once(this.#file, 'finish');
  }
}
