import { copyOf, RecordStore } from './record-store.js';
import { SlotIndex } from './slot-index.js';
import { COUNTERS, VITALS } from './vitals.js';

/** Slots are added in steps of this share of those there are. */
const GROWTH = 0.125;
const FIRST_SLOTS = 256;
/** A delta has a third of the length of a keyframe, or less. */
const KEYFRAME_SHARE = 0.7;
/** Of a keyframe, before there is one. */
const USUAL_BYTES = 700;
const NOTHING = new Uint8Array(0);

/**
 * What is known of each endpoint, in columns: a slot per endpoint, so that 100,000 endpoints are some typed arrays and
 * not 100,000 objects. The bytes of frames are in pages that many endpoints share.
 */
export class EndpointTable {
  /** The numbers of identities; a free slot has 0. */
  nums = new Float64Array(0);
  partitions = new Uint8Array(0);
  /** 1 after the end of the session that sent the newest sample. */
  ended = new Uint8Array(0);
  epochs = new Float64Array(0);
  /** The numbers of the newest sample and of its keyframe. */
  seqs = new Uint32Array(0);
  baseSeqs = new Uint32Array(0);
  /** When the newest sample was measured by the endpoint's clock, and by the gateway's: Unix milliseconds. */
  atMs = new Float64Array(0);
  receivedMs = new Float64Array(0);
  /** When it arrived here, monotonic, and how long after the one before. */
  heardMs = new Float64Array(0);
  gapsMs = new Float32Array(0);
  /** How often its gateway expects samples; 0 when it did not say. */
  everyMs = new Float32Array(0);
  /** When it was measured, on this process's monotonic clock. */
  takenMs = new Float64Array(0);
  counters = new Float64Array(0);
  vitals = new Float32Array(0);
  /** The group of the fleet that it is counted in. */
  groups = new Uint16Array(0);
  readonly #keyframes: RecordStore;
  readonly #deltas: RecordStore;
  readonly #slots = new SlotIndex((slot) => this.nums[slot] as number);
  readonly #free: number[] = [];
  #used = 0;

  /** `maxBytes`: of what endpoints sent; the rest is bounded by their number. */
  constructor({ maxBytes = Number.POSITIVE_INFINITY }: { readonly maxBytes?: number } = {}) {
    this.#keyframes = new RecordStore({ maxBytes: KEYFRAME_SHARE * maxBytes });
    this.#deltas = new RecordStore({ maxBytes: (1 - KEYFRAME_SHARE) * maxBytes });
  }

  /** Of keyframes and deltas. */
  get bytes(): number {
    return this.#keyframes.bytes + this.#deltas.bytes;
  }

  /** Whether there is room for a keyframe of this length, in place of that in the slot. */
  fitsKeyframe(slot: number | undefined, length: number): boolean {
    return this.#keyframes.fits(slot, length);
  }

  /** Whether there is room for the next keyframe of an endpoint: one as long as its last one, or else as one usually is. */
  fitsNextKeyframe(slot: number | undefined): boolean {
    const known = slot === undefined ? 0 : this.keyframe(slot).length;
    return this.#keyframes.fits(slot, known || this.#keyframes.meanBytes || USUAL_BYTES);
  }

  fitsDelta(slot: number, length: number): boolean {
    return this.#deltas.fits(slot, length);
  }

  get size(): number {
    return this.#slots.size;
  }

  /** All slots are below this. */
  get end(): number {
    return this.#used;
  }

  slotOf(num: number): number | undefined {
    return this.#slots.slotOf(num);
  }

  /** Gives this identity a slot in which everything is 0. */
  add(num: number, partition: number): number {
    const slot = this.#free.pop() ?? this.#used++;
    if (slot >= this.nums.length) this.#grow();
    this.nums[slot] = num;
    this.#slots.add(slot);
    this.partitions[slot] = partition;
    for (const column of [
      this.epochs,
      this.seqs,
      this.baseSeqs,
      this.atMs,
      this.receivedMs,
      this.heardMs,
      this.gapsMs,
      this.everyMs,
      this.takenMs,
    ]) {
      column[slot] = 0;
    }
    this.ended[slot] = 0;
    this.counters.fill(Number.NaN, slot * COUNTERS, (slot + 1) * COUNTERS);
    this.vitals.fill(Number.NaN, slot * VITALS.length, (slot + 1) * VITALS.length);
    this.#keyframes.delete(slot);
    this.#deltas.delete(slot);
    return slot;
  }

  remove(slot: number): void {
    this.#slots.remove(slot);
    this.nums[slot] = 0;
    this.#keyframes.delete(slot);
    this.#deltas.delete(slot);
    this.#free.push(slot);
  }

  vital(slot: number, vital: number): number {
    return this.vitals[slot * VITALS.length + vital] as number;
  }

  /** A view, valid until this endpoint's keyframe changes. */
  keyframe(slot: number): Uint8Array {
    return this.#keyframes.get(slot) ?? NOTHING;
  }

  /** A copy of the newest delta; undefined where the keyframe is newer. */
  delta(slot: number): Uint8Array | undefined {
    const delta = this.#deltas.get(slot);
    return delta === undefined ? undefined : copyOf(delta);
  }

  /** Keeps a copy of a keyframe. The deltas of the one before do not fit it. */
  setKeyframe(slot: number, body: Uint8Array): void {
    this.#keyframes.set(slot, body);
    this.#deltas.delete(slot);
  }

  setDelta(slot: number, body: Uint8Array): void {
    this.#deltas.set(slot, body);
  }

  #grow(): void {
    const slots = Math.max(FIRST_SLOTS, Math.ceil(this.nums.length * (1 + GROWTH)));
    const float64 = (from: Float64Array<ArrayBuffer>, each = 1) => resized(new Float64Array(slots * each), from);
    this.#keyframes.resize(slots);
    this.#deltas.resize(slots);
    this.nums = float64(this.nums);
    this.epochs = float64(this.epochs);
    this.atMs = float64(this.atMs);
    this.receivedMs = float64(this.receivedMs);
    this.heardMs = float64(this.heardMs);
    this.takenMs = float64(this.takenMs);
    this.counters = float64(this.counters, COUNTERS);
    this.seqs = resized(new Uint32Array(slots), this.seqs);
    this.baseSeqs = resized(new Uint32Array(slots), this.baseSeqs);
    this.gapsMs = resized(new Float32Array(slots), this.gapsMs);
    this.everyMs = resized(new Float32Array(slots), this.everyMs);
    this.vitals = resized(new Float32Array(slots * VITALS.length), this.vitals);
    this.groups = resized(new Uint16Array(slots), this.groups);
    this.ended = resized(new Uint8Array(slots), this.ended);
    this.partitions = resized(new Uint8Array(slots), this.partitions);
  }
}

function resized<T extends { set(from: ArrayLike<number>): void } & ArrayLike<number>>(to: T, from: T): T {
  to.set(from);
  return to;
}
