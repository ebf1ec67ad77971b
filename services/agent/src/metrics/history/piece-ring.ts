import { cutHistory, HistoryEncoder, type HistoryKind, type Sample } from '@muster/host-metrics';

export interface PieceRingOptions {
  readonly kind: HistoryKind;
  /** Older samples are given up. */
  readonly keepMs: number;
  /** Beyond it the oldest are given up, so that a machine with very many disks and interfaces costs no more memory. */
  readonly maxBytes: number;
}

interface Piece {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bytes: Uint8Array;
}

const PIECE_SAMPLES = 60;
const PIECE_BYTES = 16 * 1024;

/** The past in one kind: pieces of history as they are sent, the oldest first, and one that is being written. */
export class PieceRing {
  readonly #options: PieceRingOptions;
  readonly #closed: Piece[] = [];
  #closedBytes = 0;
  #open: { readonly fromMs: number; readonly encoder: HistoryEncoder } | undefined;

  constructor(options: PieceRingOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#closedBytes + (this.#open?.encoder.length ?? 0);
  }

  /** The times of samples never go back. */
  add(sample: Sample): void {
    const encoder = this.#open?.encoder;
    const goesOn =
      encoder?.last.shape === sample.shape && encoder.samples < PIECE_SAMPLES && encoder.length < PIECE_BYTES;
    if (goesOn) encoder.add(sample);
    else {
      this.#close();
      this.#open = { fromMs: sample.atMs, encoder: new HistoryEncoder(this.#options.kind, sample) };
    }
    this.#forget(sample.atMs);
  }

  /** Pieces with the samples since then. */
  since(sinceMs: number): Uint8Array[] {
    const open = this.#open;
    const last = open === undefined ? [] : [pieceOf(open.fromMs, open.encoder)];
    return [...this.#closed, ...last].flatMap((piece) => {
      if (piece.fromMs >= sinceMs) return [piece.bytes];
      return cutHistory(piece.bytes, sinceMs) ?? [];
    });
  }

  #close(): void {
    if (this.#open === undefined) return;
    const piece = pieceOf(this.#open.fromMs, this.#open.encoder);
    this.#closed.push(piece);
    this.#closedBytes += piece.bytes.length;
    this.#open = undefined;
  }

  #forget(nowMs: number): void {
    const { keepMs, maxBytes } = this.#options;
    for (let first = this.#closed[0]; first !== undefined; first = this.#closed[0]) {
      if (first.toMs >= nowMs - keepMs && this.bytes <= maxBytes) return;
      this.#closed.shift();
      this.#closedBytes -= first.bytes.length;
    }
  }
}

function pieceOf(fromMs: number, encoder: HistoryEncoder): Piece {
  return { fromMs, toMs: encoder.last.atMs, bytes: encoder.finish() };
}
