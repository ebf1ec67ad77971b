import { readSync, writeSync } from 'node:fs';
import { NOTE_FD, PAUSE_AT, STANDS_AT } from './path-note.js';

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
  #stands = false;

  constructor(options: WorkerGateOptions) {
    this.#options = options;
    this.#fd = options.fd ?? NOTE_FD;
    this.#agent = options.parent();
  }

  /** Returns when the statement may go on; never when its agent has ended. */
  readonly pass = (): void => {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs < EVERY_MS) return;
    // One that sleeps without having said so would be taken for one that hangs.
    while (this.#mustWait() && this.#say(true)) Atomics.wait(this.#sleep, 0, 0, EVERY_MS);
    this.#say(false);
    this.#lookedMs = performance.now();
  };

  /** Writes in the note whether it stands still, where that has changed. False when it cannot be written. */
  #say(stands: boolean): boolean {
    if (this.#stands === stands) return true;
    try {
      writeSync(this.#fd, Uint8Array.of(stands ? 1 : 0), 0, 1, STANDS_AT);
      this.#stands = stands;
      return true;
    } catch {
      // The disk is full. What it said last stays until the next time.
      return false;
    }
  }

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
