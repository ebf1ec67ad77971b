import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { BATCH_ENTRY_BYTES, encodeBatch, LIMITS } from '@muster/protocol';
import type { Clock } from '@muster/runtime/program';
import { bytesByPurpose } from '../traffic/batch-bytes.js';
import type { TrafficPurpose } from '../traffic/purpose.js';

/** The numbered body of a request. It is repeated unchanged until it is answered. */
export interface PollBatch {
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly isCompressed: boolean;
  /** The body's bytes by purpose. */
  readonly traffic: ReadonlyMap<TrafficPurpose, number>;
}

/** Below this size, compression saves less than its header costs. */
const COMPRESS_FROM_BYTES = 1024;

/**
 * Some gateways and proxies wait ten seconds for a body. On a slow line a large body would never arrive, and it must be
 * repeated unchanged. So batches start small and grow while they are answered quickly.
 */
const FIRST_BYTES = 16 * 1024;
const QUICK_MS = 1_000;
const SLOW_MS = 4_000;

const compress = promisify(gzip);

/** Frames that wait for the next poll, collected into batches. A batch is kept until the gateway has taken it. */
export class PollOutbox {
  readonly #clock: Clock;
  #waiting: { readonly frame: Uint8Array; readonly sinceMs: number }[] = [];
  #waitingBytes = 0;
  #sentBytes = 0;
  #sequence = 0;
  #limitBytes = FIRST_BYTES;
  #batch: PollBatch | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Bytes of frames that the gateway has not taken yet. */
  get bytes(): number {
    return this.#waitingBytes + this.#sentBytes;
  }

  /** `ageMs`: what the frame says is so old already. */
  add(frame: Uint8Array, ageMs = 0): void {
    this.#waiting.push({ frame, sinceMs: this.#clock.monotonic() - ageMs });
    this.#waitingBytes += frame.length;
  }

  /** The batch that is not answered yet, or the next one; `undefined` when there are no frames. */
  async next(): Promise<PollBatch | undefined> {
    if (this.#batch !== undefined || this.#waiting.length === 0) return this.#batch;
    const frames = this.#take();
    const body = encodeBatch(frames);
    const compressed = body.length < COMPRESS_FROM_BYTES ? undefined : await compress(body);
    const isCompressed = compressed !== undefined && compressed.length < body.length;
    this.#sequence += 1;
    const sent = isCompressed ? compressed : body;
    const traffic = bytesByPurpose(
      frames.map(({ frame }) => frame),
      sent.length,
    );
    this.#batch = { sequence: this.#sequence, body: sent, isCompressed, traffic };
    return this.#batch;
  }

  /** The gateway took the batch and answered after `tookMs`. */
  taken(tookMs: number): void {
    if (tookMs > SLOW_MS) this.#limitBytes = Math.max(FIRST_BYTES, this.#limitBytes / 2);
    else if (tookMs < QUICK_MS && this.#sentBytes >= this.#limitBytes / 2)
      this.#limitBytes = Math.min(LIMITS.pollBodyBytes, 2 * this.#limitBytes);
    this.#batch = undefined;
    this.#sentBytes = 0;
  }

  /** As many frames as fit into a request; always at least one. */
  #take(): { frame: Uint8Array; ageMs: number }[] {
    const nowMs = this.#clock.monotonic();
    let bytes = 0;
    let count = 0;
    for (const { frame } of this.#waiting) {
      bytes += BATCH_ENTRY_BYTES + frame.length;
      if (count > 0 && (bytes > this.#limitBytes || count === LIMITS.pollFrames)) break;
      count += 1;
    }
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#sentBytes = taken.reduce((sum, { frame }) => sum + frame.length, 0);
    this.#waitingBytes -= this.#sentBytes;
    return taken.map(({ frame, sinceMs }) => ({ frame, ageMs: nowMs - sinceMs }));
  }
}
