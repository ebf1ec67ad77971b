import { ByteReader, MalformedBytes } from '@muster/protocol/byte-stream';
import { GROUP_LIMIT, GROUP_METRICS, GROUPS, HOST_METRICS, INSTANCE_NAME_BYTES, type Group } from './catalogue.js';
import { decodeDelta, decodeKeyframe } from './sample-codec.js';
import type { Sample } from './sample.js';
import { unzigzag } from './varint.js';

/** Longer counts than this are an attack, not a newer version. */
const MAX_UNKNOWN = 1_024;

/**
 * Reads samples one after another into the same vector, and leaves the names of instances as bytes: for a reader of
 * many samples a second that needs few values of each. The values are the same as those of `decodeKeyframe` and
 * `decodeDelta`.
 */
export class SampleScanner {
  /** Valid until the next `scan`; only the first `length` belong to the sample. */
  values = new Float64Array(512);
  length = 0;
  seq = 0;
  /** The endpoint's clock, Unix milliseconds. */
  atMs = 0;
  /** Whether the sender has another catalogue, so that its values are at other places in its keyframe and its deltas. */
  isMoved = false;
  /** How many instances of each group there are, and where the first value of the first one is; by the number of the group. */
  readonly instances = new Uint16Array(GROUPS.length);
  readonly offsets = new Uint32Array(GROUPS.length);
  /** Where the names of the instances are in these bytes, by the number of the group. */
  #bytes: Uint8Array = new Uint8Array(0);
  readonly #starts = GROUPS.map((group) => new Uint32Array(GROUP_LIMIT[group]));
  readonly #lengths = GROUPS.map((group) => new Uint8Array(GROUP_LIMIT[group]));

  /** `delta` must belong to `keyframe`. Throws `MalformedBytes`; then nothing of the sample is valid. */
  scan(keyframe: Uint8Array, delta?: Uint8Array): void {
    const input = new ByteReader(keyframe);
    this.#bytes = keyframe;
    this.seq = input.varint();
    this.atMs = input.varint();
    this.length = 0;
    this.isMoved = false;
    this.instances.fill(0);
    const host = bounded(input.varint(), HOST_METRICS.length + MAX_UNKNOWN);
    if (host !== HOST_METRICS.length) return this.#take(readSlowly(keyframe, delta));
    this.#readCells(input, host);
    if (!this.#scanGroups(input)) return this.#take(readSlowly(keyframe, delta));
    if (delta !== undefined) this.#scanDelta(new ByteReader(delta));
  }

  /** Whether an instance has this name, which is ASCII. */
  isNamed(group: number, instance: number, name: string): boolean {
    if (instance >= (this.instances[group] ?? 0) || this.#lengths[group]?.[instance] !== name.length) return false;
    const start = this.#starts[group]?.[instance] ?? 0;
    for (let i = 0; i < name.length; i += 1) if (this.#bytes[start + i] !== name.charCodeAt(i)) return false;
    return true;
  }

  /** False when the sender has another catalogue or order, so that the places of its values are not known while they are read. */
  #scanGroups(input: ByteReader): boolean {
    let next = 0;
    const groups = bounded(input.varint(), GROUPS.length + MAX_UNKNOWN);
    for (let i = 0; i < groups; i += 1) {
      const number = input.varint();
      const group = GROUPS[number];
      const metrics = bounded(input.varint(), MAX_UNKNOWN);
      if (group === undefined || number < next || metrics !== GROUP_METRICS[group].length) return false;
      const instances = bounded(input.varint(), GROUP_LIMIT[group]);
      const [starts, lengths] = [this.#starts[number], this.#lengths[number]];
      for (let j = 0; j < instances; j += 1) {
        const length = bounded(input.varint(), INSTANCE_NAME_BYTES);
        const start = input.skip(length);
        if (starts === undefined || lengths === undefined) continue;
        starts[j] = start;
        lengths[j] = length;
      }
      for (; next <= number; next += 1) this.offsets[next] = this.length;
      this.#readCells(input, instances * metrics);
      this.instances[number] = instances;
    }
    for (; next < GROUPS.length; next += 1) this.offsets[next] = this.length;
    return true;
  }

  #readCells(input: ByteReader, count: number): void {
    const end = this.length + count;
    if (end > this.values.length) {
      const larger = new Float64Array(2 * end);
      larger.set(this.values);
      this.values = larger;
    }
    input.cells(this.values, this.length, end);
    this.length = end;
  }

  #scanDelta(input: ByteReader): void {
    const base = this.seq;
    this.seq = input.varint();
    if (input.varint() !== base) throw new MalformedBytes('it belongs to another keyframe');
    this.atMs += unzigzag(input.varint());
    for (let i = 0; !input.done; i += 1) {
      i += input.varint();
      if (i >= this.length) throw new MalformedBytes('it changes a value that its keyframe does not have');
      const change = input.cell();
      const before = this.values[i] as number;
      this.values[i] = Number.isNaN(before) ? change : before + change;
    }
  }

  #take({ seq, atMs, shape, values }: Sample): void {
    const text = new TextEncoder();
    const bytes: number[] = [];
    Object.assign(this, { seq, atMs, values: values.slice(), length: values.length, isMoved: true });
    for (const [number, group] of GROUPS.entries()) {
      this.instances[number] = shape.names[group].length;
      this.offsets[number] = shape.offsets[group];
      for (const [i, name] of shape.names[group].entries()) {
        const encoded = text.encode(name);
        (this.#starts[number] as Uint32Array)[i] = bytes.length;
        (this.#lengths[number] as Uint8Array)[i] = encoded.length;
        bytes.push(...encoded);
      }
    }
    this.#bytes = Uint8Array.from(bytes);
  }
}

/** The number of a group, as {@link SampleScanner} counts them. */
export function groupNumber(group: Group): number {
  return GROUPS.indexOf(group);
}

function readSlowly(keyframe: Uint8Array, delta: Uint8Array | undefined): Sample {
  const base = decodeKeyframe(keyframe);
  return delta === undefined ? base : decodeDelta(delta, base);
}

function bounded(value: number, most: number): number {
  if (value > most) throw new MalformedBytes('a count or a length is too large');
  return value;
}
