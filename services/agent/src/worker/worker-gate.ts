import { readSync } from 'node:fs';
import { NOTE_FD, PAUSE_AT } from './path-note.js';

/** How often the gate looks, and how long it sleeps at a time while it is closed. */
const EVERY_MS = 100;

export interface WorkerGateOptions {
  /** The process that started this one. */
  readonly parent: () => number;
  /** Ends this process at once. */
  readonly end: () => void;
  readonly fd?: number;
}

/**
 * What a statement passes often while it runs. It is synchronous, so that no message reaches its process meanwhile:
 * whether it is to stand still is read from the note, and whether its agent has ended from the parent, which is another
 * one then. A process that the system had stopped could see neither; it would outlive an agent that was killed.
 */
export class WorkerGate {
  readonly #options: WorkerGateOptions;
  readonly #fd: number;
  readonly #agent: number;
  readonly #flag = new Uint8Array(1);
  readonly #sleep = new Int32Array(new SharedArrayBuffer(4));
  #lookedMs = 0;

  constructor(options: WorkerGateOptions) {
    this.#options = options;
    this.#fd = options.fd ?? NOTE_FD;
    this.#agent = options.parent();
  }

  /** Returns when the statement may go on; never when its agent has ended. */
  readonly pass = (): void => {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < EVERY_MS) return;
    while (this.#mustWait()) Atomics.wait(this.#sleep, 0, 0, EVERY_MS);
    this.#lookedMs = performance.now();
  };

  #mustWait(): boolean {
    if (this.#options.parent() !== this.#agent) this.#options.end();
    try {
      return readSync(this.#fd, this.#flag, 0, 1, PAUSE_AT) === 1 && this.#flag[0] === 1;
    } catch {
      // Without a note it never stands still.
      return false;
    }
  }
}
