import { cutHistory, HistoryEncoder, type Sample } from '@muster/host-metrics';
import { hostValues, shapeOf, type HostSeed } from './host-values.js';

const SECOND_MS = 1_000;
/** Of a minute each, the oldest cut when it is asked for. */
const PIECES = 11;
const PIECE_SAMPLES = 60;
const KEPT_MS = PIECES * PIECE_SAMPLES * SECOND_MS;
/** Numbers of samples of the past say only their order. */
const MAX_SEQ = 2 ** 31;

/** The last ten minutes of a simulated machine at one sample a second, kept encoded as a real agent keeps them. */
export class SecondHistory {
  readonly #host: HostSeed;
  readonly #pieces: { readonly fromMs: number; readonly encoder: HistoryEncoder }[] = [];
  #nextMs = 0;

  constructor(host: HostSeed) {
    this.#host = host;
  }

  /** Adds the samples that are missing before this time. */
  extend(nowMs: number): void {
    const endMs = Math.floor(nowMs / SECOND_MS) * SECOND_MS;
    this.#nextMs = Math.max(this.#nextMs, endMs - KEPT_MS);
    for (; this.#nextMs < endMs; this.#nextMs += SECOND_MS) this.#add(this.#nextMs);
  }

  /** The samples since then, in pieces. */
  since(fromMs: number): Uint8Array[] {
    return this.#pieces.flatMap((piece) => {
      if (piece.fromMs >= fromMs) return [piece.encoder.finish()];
      return piece.encoder.last.atMs < fromMs ? [] : (cutHistory(piece.encoder.finish(), fromMs) ?? []);
    });
  }

  #add(atMs: number): void {
    const host = this.#host;
    const seq = 1 + ((atMs / SECOND_MS) % MAX_SEQ);
    const sample: Sample = { seq, atMs, shape: shapeOf(host), values: hostValues(host, atMs) };
    const open = this.#pieces.at(-1)?.encoder;
    if (open !== undefined && open.samples < PIECE_SAMPLES) return open.add(sample);
    this.#pieces.push({ fromMs: atMs, encoder: new HistoryEncoder('seconds', sample) });
    if (this.#pieces.length > PIECES + 1) this.#pieces.shift();
  }
}
