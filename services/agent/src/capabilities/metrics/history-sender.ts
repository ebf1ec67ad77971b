import { FLAG_FINAL } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime/program';
import type { SendResult } from '../../contract/session.js';

export interface HistorySenderOptions {
  readonly clock: Clock;
  /** Sends one HISTORY frame. */
  readonly send: (ref: number, piece: Uint8Array, flags: number) => SendResult;
  /** The time between two frames; 0: as many at once as the session takes. */
  readonly paceMs: number;
}

interface Answer {
  readonly ref: number;
  readonly pieces: Uint8Array[];
}

/** So many requests wait at most, each with up to four megabytes that nobody else has. */
const MAX_WAITING = 4;

/**
 * Answers METRICS_HISTORY, one request after the other. Pieces are sent with a pause after each, so that answers to
 * queries are not held up by the past.
 */
export class HistorySender {
  readonly #options: HistorySenderOptions;
  readonly #waiting: Answer[] = [];
  #timer: Timer | undefined;

  constructor(options: HistorySenderOptions) {
    this.#options = options;
  }

  /** Takes one piece at least. Where too many requests wait, only the newest piece is sent. */
  add(ref: number, pieces: readonly Uint8Array[]): void {
    this.#waiting.push({ ref, pieces: this.#waiting.length < MAX_WAITING ? [...pieces] : pieces.slice(-1) });
    if (this.#timer === undefined) this.pump();
  }

  /** Sends what there is room for. */
  pump(): void {
    const { clock, paceMs } = this.#options;
    clock.clear(this.#timer);
    this.#timer = undefined;
    while (this.#waiting.length > 0 && this.#sendNext()) {
      if (paceMs === 0) continue;
      if (this.#waiting.length > 0) this.#timer = clock.setTimeout(() => this.pump(), paceMs);
      return;
    }
  }

  /** The session is over. */
  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    this.#waiting.length = 0;
  }

  /** Whether it was sent. */
  #sendNext(): boolean {
    const answer = this.#waiting[0];
    const piece = answer?.pieces[0];
    if (answer === undefined || piece === undefined) return false;
    const isLast = answer.pieces.length === 1;
    if (this.#options.send(answer.ref, piece, isLast ? FLAG_FINAL : 0) !== 'sent') return false;
    answer.pieces.shift();
    if (isLast) this.#waiting.shift();
    return true;
  }
}
