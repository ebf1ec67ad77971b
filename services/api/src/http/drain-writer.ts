import type { ServerResponse } from 'node:http';
import type { Clock } from '@muster/runtime';

export interface DrainWriterOptions {
  readonly clock: Clock;
  /** A reader that takes nothing for this long is disconnected. */
  readonly stallMs: number;
}

/** The result of a write. `stalled`: the reader took nothing for `stallMs`, and the connection was closed. */
export type WriteOutcome = 'written' | 'closed' | 'stalled';

// Large enough to be cheap, small enough that a slow reader drains one slice within the stall limit.
const SLICE_BYTES = 32 * 1024;

/**
 * Writes to a response no faster than the reader takes it. At most one slice is buffered in this process while the next write waits.
 * Text, and bytes that are UTF-8 already, are collected until they fill a slice or are flushed.
 */
export class DrainWriter {
  readonly #response: ServerResponse;
  readonly #clock: Clock;
  readonly #stallMs: number;
  #gathered: (string | Uint8Array)[] = [];
  #length = 0;
  #stalled = false;

  constructor(response: ServerResponse, { clock, stallMs }: DrainWriterOptions) {
    this.#response = response;
    this.#clock = clock;
    this.#stallMs = stallMs;
  }

  /** Resolves at once, or when the reader has taken enough of what was written before. */
  async write(piece: string | Uint8Array): Promise<WriteOutcome> {
    this.#gathered.push(piece);
    this.#length += piece.length;
    return this.#length < SLICE_BYTES ? this.#state() : await this.flush();
  }

  async flush(): Promise<WriteOutcome> {
    const bytes = bytesOf(this.#gathered);
    this.#gathered = [];
    this.#length = 0;
    for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
      if (this.#state() !== 'written') break;
      if (!this.#response.write(bytes.subarray(at, at + SLICE_BYTES))) await this.#drained();
    }
    return this.#state();
  }

  #state(): WriteOutcome {
    if (this.#stalled) return 'stalled';
    return this.#response.destroyed || this.#response.closed ? 'closed' : 'written';
  }

  #drained(): Promise<void> {
    const response = this.#response;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#clock.clear(timer);
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      const timer = this.#clock.setTimeout(() => {
        this.#stalled = true;
        response.destroy();
        done();
      }, this.#stallMs);
      response.on('drain', done);
      response.on('close', done);
      if (response.destroyed || response.closed) done();
    });
  }
}

function bytesOf(gathered: readonly (string | Uint8Array)[]): Buffer {
  const texts = gathered.filter((piece) => typeof piece === 'string');
  if (texts.length === gathered.length) return Buffer.from(texts.join(''));
  return Buffer.concat(gathered.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}
