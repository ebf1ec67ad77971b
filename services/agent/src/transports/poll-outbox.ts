import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { BATCH_ENTRY_BYTES, encodeBatch, LIMITS } from '@muster/protocol';
import type { Clock } from '@muster/runtime/program';
import { bytesByPurpose } from '../traffic/batch-bytes.js';
import type { TrafficPurpose } from '../traffic/purpose.js';

/** A request's body, numbered; repeated as it is until it is answered. */
export interface PollBatch {
  readonly sequence: number;
  readonly body: Uint8Array;
  readonly isCompressed: boolean;
  /** The body's bytes by what they are for. */
  readonly traffic: ReadonlyMap<TrafficPurpose, number>;
}

/** Below it a compressed body saves less than the header that says that it is compressed. */
const COMPRESS_FROM_BYTES = 1024;

/**
 * Some gateways, and things before them, wait ten seconds for a body. On a slow line a large one would never arrive, and it has to be repeated as it is:
 * so batches begin small and grow while they pass quickly.
 */
const FIRST_BYTES = 16 * 1024;
const QUICK_MS = 1_000;
const SLOW_MS = 4_000;

const compress = promisify(gzip);

/** Frames on their way to a gateway that is asked now and then: gathered into batches, each of which is held until it was taken. */
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

  /** Bytes of frames that no gateway has taken yet. */
  get bytes(): number {
    return this.#waitingBytes + this.#sentBytes;
  }

  add(frame: Uint8Array): void {
    this.#waiting.push({ frame, sinceMs: this.#clock.monotonic() });
    this.#waitingBytes += frame.length;
  }

  /** The batch that was not answered yet, or the next one; `undefined` when there is nothing to say. */
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

  /** The gateway has the batch, and said so after `tookMs`. */
  taken(tookMs: number): void {
    if (tookMs > SLOW_MS) this.#limitBytes = Math.max(FIRST_BYTES, this.#limitBytes / 2);
    else if (tookMs < QUICK_MS && this.#sentBytes >= this.#limitBytes / 2)
      this.#limitBytes = Math.min(LIMITS.pollBodyBytes, 2 * this.#limitBytes);
    this.#batch = undefined;
    this.#sentBytes = 0;
  }

  /** As many frames as a request may carry; always one at least. */
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
