import {
  decodeHistory,
  HistoryCursor,
  historySpan,
  MalformedBytes,
  type KeyframeReader,
  type Sample,
} from '@muster/host-metrics';

/** A sample whose values are valid until the next one is read. */
export type SampleView = Pick<Sample, 'seq' | 'atMs' | 'shape' | 'values'>;

interface Piece {
  readonly bytes: Uint8Array;
  readonly fromMs: number;
  readonly toMs: number;
  readonly samples: number;
}

/** Ten minutes at one a second, with some to spare. */
const MAX_SAMPLES = 720;
/** A live sample that is so much before the one before it: the clock was set back. */
const SET_BACK_MS = 10_000;
/** Of pieces; ten minutes have some hundred KiB. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * The last ten minutes of an endpoint by its clock, each moment once: pieces of its history as they came, and what came
 * live since. Pieces are read when somebody looks: they take a tenth of the memory of their samples.
 */
export class EndpointPast {
  readonly #keyframes: KeyframeReader;
  readonly #onMalformed: () => void;
  /** In order, and apart from each other. */
  #pieces: Piece[] = [];
  #bytes = 0;
  /** Samples in all pieces. */
  #inPieces = 0;
  /** Oldest first. */
  #ring: Sample[] = [];
  /** The time of the sample that came live last. */
  #liveMs = 0;

  /** `onMalformed` counts pieces that cannot be read to their end. */
  constructor(keyframes: KeyframeReader, onMalformed: () => void) {
    this.#keyframes = keyframes;
    this.#onMalformed = onMalformed;
  }

  /** The time of the newest sample; 0 when there is none. */
  get newestMs(): number {
    return Math.max(this.#pieces.at(-1)?.toMs ?? 0, this.#ring.at(-1)?.atMs ?? 0);
  }

  /** Takes a piece with seconds. Throws `MalformedBytes`. */
  addPiece(bytes: Uint8Array): void {
    const { isOrdered, ...span } = historySpan(bytes);
    const lastMs = this.#pieces.at(-1)?.toMs ?? Number.NEGATIVE_INFINITY;
    // The past was asked for again after a gap, or the clock was set.
    if (!isOrdered || span.fromMs <= lastMs) return this.#merge(bytes);
    this.#pieces.push({ bytes, ...span });
    this.#bytes += bytes.length;
    this.#inPieces += span.samples;
    this.#forget();
  }

  /** Takes a sample that came live. False: the clock was set back, and all before it is forgotten: its times are of another clock. */
  add(sample: Sample): boolean {
    const isSetBack = sample.atMs < this.#liveMs - SET_BACK_MS;
    this.#liveMs = sample.atMs;
    if (isSetBack) this.#keepOnly([]);
    const last = this.#ring.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
    if (sample.atMs > last) this.#ring.push(sample);
    else this.#ring = ordered([...this.#ring.filter(({ atMs }) => atMs !== sample.atMs), sample]);
    this.#forget();
    return !isSetBack;
  }

  /** Samples after a time, oldest first. What comes meanwhile is not among them. */
  *after(sinceMs: number): Generator<SampleView> {
    const ring = this.#ring.filter(({ atMs }) => atMs > sinceMs);
    let next = 0;
    for (const piece of [...this.#pieces]) {
      if (piece.toMs <= sinceMs) continue;
      for (const view of this.#read(piece)) {
        if (view.atMs <= sinceMs) continue;
        for (let live = ring[next]; live !== undefined && live.atMs <= view.atMs; live = ring[(next += 1)])
          if (live.atMs < view.atMs) yield live;
        yield view;
      }
    }
    yield* ring.slice(next);
  }

  *#read(piece: Piece): Generator<HistoryCursor> {
    try {
      const cursor = new HistoryCursor(piece.bytes, this.#keyframes);
      do yield cursor;
      while (cursor.next());
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error;
      if (this.#pieces.includes(piece)) this.#onMalformed();
      this.#drop(piece);
    }
  }

  /** Reads everything, and keeps it as samples. */
  #merge(bytes: Uint8Array): void {
    const { samples } = decodeHistory(bytes);
    const known = this.#pieces.flatMap((piece) => Array.from(this.#read(piece), (cursor) => cursor.copy()));
    this.#keepOnly(ordered([...samples, ...known, ...this.#ring]));
    this.#forget();
  }

  #keepOnly(ring: Sample[]): void {
    this.#ring = ring;
    this.#pieces = [];
    this.#bytes = 0;
    this.#inPieces = 0;
  }

  #drop(piece: Piece): void {
    if (!this.#pieces.includes(piece)) return;
    this.#pieces = this.#pieces.filter((other) => other !== piece);
    this.#bytes -= piece.bytes.length;
    this.#inPieces -= piece.samples;
  }

  /** Gives up the oldest. */
  #forget(): void {
    while (this.#bytes > MAX_BYTES || this.#inPieces + this.#ring.length > MAX_SAMPLES) {
      const [piece, sample] = [this.#pieces[0], this.#ring[0]];
      if (piece !== undefined && (sample === undefined || piece.fromMs <= sample.atMs)) this.#drop(piece);
      else if (sample !== undefined) this.#ring.shift();
      else return;
    }
  }
}

/** By time, of one moment the last. */
function ordered(samples: readonly Sample[]): Sample[] {
  const byTime = new Map(samples.map((sample) => [sample.atMs, sample]));
  return [...byTime.values()].sort((a, b) => a.atMs - b.atMs);
}
