import { ByteReader, ByteWriter, MalformedBytes } from '@muster/protocol/byte-stream';
import { GROUP_LIMIT, GROUP_METRICS, GROUPS, HOST_METRICS, INSTANCE_NAME_BYTES, type Group } from './catalogue.js';
import { makeShape, type Sample, type Shape } from './sample.js';
import { MAX_INTEGER, unzigzag, zigzag } from './varint.js';

/**
 * Two encodings of a sample. A **keyframe** is complete. A **delta** says what is different from the last keyframe of
 * the session, so that one that is lost costs nothing but itself.
 *
 *     keyframe = seq, at, values, groups            delta = seq, keyframe's seq, zigzag(at − keyframe's at), changes
 *     values   = count, count × cell                changes = until the end: skip, cell
 *     groups   = count, count × group               (skip: how many values are the same before this one)
 *     group    = number, metrics, instances, instances × (length, UTF-8), instances × metrics × cell
 *     cell     = 0 (absent) | 1 + zigzag(value)     in a delta: value − keyframe's value, an absent one counting as 0
 *
 * All numbers are LEB128. A decoder ignores values, groups and metrics that it does not know, and takes those that are missing as absent.
 */

const text = new TextEncoder();
/** Longer counts than this are an attack, not a newer version. */
const MAX_UNKNOWN = 1_024;

/** Throws `RangeError` on values that are no integers, or too large: a sampler must correct them before. */
export function encodeKeyframe(sample: Sample): Uint8Array {
  const out = new ByteWriter();
  out.varint(sample.seq);
  out.varint(sample.atMs);
  writeValues(out, sample);
  return out.finish();
}

/** `base` is the last keyframe that was sent, and has the same shape. Throws as {@link encodeKeyframe}. */
export function encodeDelta(sample: Sample, base: Sample): Uint8Array {
  const out = new ByteWriter();
  out.varint(sample.seq);
  out.varint(base.seq);
  out.varint(zigzag(sample.atMs - base.atMs));
  writeChanges(out, sample.values, base.values);
  return out.finish();
}

/** Throws {@link MalformedBytes}. */
export function decodeKeyframe(bytes: Uint8Array): Sample {
  const input = new ByteReader(bytes);
  const seq = input.varint();
  const atMs = input.varint();
  return { seq, atMs, ...readValues(input) };
}

/** Which keyframe a delta needs. Throws {@link MalformedBytes}. */
export function deltaHead(bytes: Uint8Array): { readonly seq: number; readonly baseSeq: number } {
  const input = new ByteReader(bytes);
  return { seq: input.varint(), baseSeq: input.varint() };
}

/** Throws {@link MalformedBytes}, also when `base` is another keyframe than the delta's. */
export function decodeDelta(bytes: Uint8Array, base: Sample): Sample {
  const input = new ByteReader(bytes);
  const seq = input.varint();
  if (input.varint() !== base.seq) throw new MalformedBytes('it belongs to another keyframe');
  const atMs = base.atMs + unzigzag(input.varint());
  const values = base.values.slice();
  applyChanges(input, { values, positions: base.positions });
  return { ...base, seq, atMs, values };
}

/** Without `seq` and time. */
export function writeValues(out: ByteWriter, { shape, values }: Pick<Sample, 'shape' | 'values'>): void {
  out.varint(HOST_METRICS.length);
  for (let i = 0; i < HOST_METRICS.length; i += 1) out.varint(cell(values[i] as number));
  const present = GROUPS.map((group, number) => ({ group, number })).filter(
    ({ group }) => shape.names[group].length > 0,
  );
  out.varint(present.length);
  for (const { group, number } of present) {
    const names = shape.names[group];
    out.varint(number);
    out.varint(GROUP_METRICS[group].length);
    out.varint(names.length);
    for (const name of names) {
      const bytes = text.encode(name);
      out.varint(bytes.length);
      out.bytes(bytes);
    }
    const from = shape.offsets[group];
    const to = from + names.length * GROUP_METRICS[group].length;
    for (let i = from; i < to; i += 1) out.varint(cell(values[i] as number));
  }
}

export function readValues(input: ByteReader): Pick<Sample, 'shape' | 'values' | 'positions'> {
  const host = readCells(input, bounded(input.varint(), HOST_METRICS.length + MAX_UNKNOWN));
  const names: Partial<Record<Group, string[]>> = {};
  const rows: Partial<Record<Group, Float64Array[]>> = {};
  const layout: SentGroup[] = [];
  const groups = bounded(input.varint(), GROUPS.length + MAX_UNKNOWN);
  for (let i = 0; i < groups; i += 1) {
    const group = GROUPS[input.varint()];
    const metrics = bounded(input.varint(), MAX_UNKNOWN);
    const instances = bounded(input.varint(), group === undefined ? MAX_UNKNOWN : GROUP_LIMIT[group]);
    const itsNames = readNames(input, instances);
    const itsRows = itsNames.map(() => readCells(input, metrics));
    layout.push({ group, metrics, instances });
    if (group === undefined) continue;
    if (names[group] !== undefined) throw new MalformedBytes('a group comes twice');
    names[group] = itsNames;
    rows[group] = itsRows;
  }
  const shape = makeShape(names);
  const values = vectorOf(shape, host, rows);
  const positions = positionsOf(shape, host.length, layout);
  return positions === undefined ? { shape, values } : { shape, values, positions };
}

/** A group as the sender has it. */
interface SentGroup {
  readonly group: Group | undefined;
  readonly metrics: number;
  readonly instances: number;
}

/** Where the sender's values are here; `undefined` when they are at the same places. */
function positionsOf(shape: Shape, host: number, layout: readonly SentGroup[]): Int32Array | undefined {
  const numbers = layout.map(({ group }) => (group === undefined ? -1 : GROUPS.indexOf(group)));
  const isSame =
    host === HOST_METRICS.length &&
    layout.every(({ group, metrics }) => group !== undefined && metrics === GROUP_METRICS[group].length) &&
    numbers.every((number, i) => i === 0 || number > (numbers[i - 1] as number));
  if (isSame) return undefined;
  const positions = Array.from({ length: host }, (_, i) => (i < HOST_METRICS.length ? i : -1));
  for (const { group, metrics, instances } of layout) {
    const known = group === undefined ? 0 : GROUP_METRICS[group].length;
    const from = group === undefined ? 0 : shape.offsets[group];
    for (let instance = 0; instance < instances; instance += 1) {
      for (let i = 0; i < metrics; i += 1) positions.push(i < known ? from + instance * known + i : -1);
    }
  }
  return Int32Array.from(positions);
}

export function writeChanges(out: ByteWriter, values: Float64Array, base: Float64Array): void {
  let skip = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    const before = base[i] as number;
    if (Object.is(value, before) || (Number.isNaN(value) && Number.isNaN(before))) {
      skip += 1;
      continue;
    }
    out.varint(skip);
    skip = 0;
    out.varint(Number.isNaN(value) ? 0 : cell(value - (Number.isNaN(before) ? 0 : before), 2 * MAX_INTEGER));
  }
}

/** Changes the values in place. `positions`: as in {@link Sample}. */
export function applyChanges(
  input: ByteReader,
  { values, positions }: { readonly values: Float64Array; readonly positions?: Int32Array | undefined },
): void {
  const length = positions?.length ?? values.length;
  for (let i = 0; !input.done; i += 1) {
    i += input.varint();
    if (i >= length) throw new MalformedBytes('it changes a value that its keyframe does not have');
    const change = input.cell();
    const at = positions === undefined ? i : (positions[i] as number);
    if (at === -1) continue;
    const before = values[at] as number;
    values[at] = Number.isNaN(before) ? change : before + change;
  }
}

function cell(value: number, most = MAX_INTEGER): number {
  if (Number.isNaN(value)) return 0;
  if (!Number.isInteger(value) || Math.abs(value) > most) throw new RangeError(`${value} cannot be encoded`);
  return zigzag(value) + 1;
}

function readCells(input: ByteReader, count: number): Float64Array {
  const cells = new Float64Array(count);
  input.cells(cells, 0, count);
  return cells;
}

function readNames(input: ByteReader, count: number): string[] {
  const decoder = new TextDecoder();
  return Array.from({ length: count }, () => decoder.decode(input.bytes(bounded(input.varint(), INSTANCE_NAME_BYTES))));
}

function vectorOf(shape: Shape, host: Float64Array, rows: Partial<Record<Group, Float64Array[]>>): Float64Array {
  const values = new Float64Array(shape.length).fill(Number.NaN);
  values.set(host.subarray(0, HOST_METRICS.length));
  for (const group of GROUPS) {
    const metrics = GROUP_METRICS[group].length;
    for (const [i, row] of (rows[group] ?? []).entries()) {
      values.set(row.subarray(0, metrics), shape.offsets[group] + i * metrics);
    }
  }
  return values;
}

function bounded(value: number, most: number): number {
  if (value > most) throw new MalformedBytes('a count or a length is too large');
  return value;
}
