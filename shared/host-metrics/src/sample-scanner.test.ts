import { expect, test } from '@jest/globals';
import { ByteWriter, MalformedBytes } from '@muster/protocol/byte-stream';
import fc from 'fast-check';
import { GROUP_METRICS, GROUPS, HOST_METRICS } from './catalogue.js';
import { decodeDelta, decodeKeyframe, encodeDelta, encodeKeyframe } from './sample-codec.js';
import { groupNumber, SampleScanner } from './sample-scanner.js';
import { absentValues, makeShape, type Sample } from './sample.js';
import { MAX_INTEGER } from './varint.js';

const value = fc.oneof(
  fc.constant(Number.NaN),
  fc.integer({ min: -5, max: 5 }),
  fc.maxSafeInteger().map((n) => n % MAX_INTEGER),
);
const names = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme-ascii' }), { maxLength: 4 });
const shape = fc.record(Object.fromEntries(GROUPS.map((group) => [group, names]))).map(makeShape);
const samples = shape.chain((its) =>
  fc
    .array(fc.array(value, { minLength: its.length, maxLength: its.length }), { minLength: 2, maxLength: 2 })
    .map((two) =>
      two.map((values, i): Sample => ({
        seq: i + 1,
        atMs: 1_000 * (i + 1),
        shape: its,
        values: Float64Array.from(values),
      })),
    ),
);

test('it reads the same as the decoders', () => {
  const scanner = new SampleScanner();
  fc.assert(
    fc.property(samples, ([first, second]) => {
      const keyframe = encodeKeyframe(first!);
      const delta = encodeDelta(second!, first!);
      const base = decodeKeyframe(keyframe);
      for (const [expected, one] of [
        [base, undefined],
        [decodeDelta(delta, base), delta],
      ] as const) {
        scanner.scan(keyframe, one);
        expect([scanner.seq, scanner.atMs]).toEqual([expected.seq, expected.atMs]);
        expect(scanner.values.slice(0, scanner.length)).toEqual(expected.values);
        for (const group of GROUPS) {
          const number = groupNumber(group);
          expect(scanner.instances[number]).toBe(expected.shape.names[group].length);
          expect(scanner.offsets[number]).toBe(expected.shape.offsets[group]);
          expected.shape.names[group].forEach((name, i) => expect(scanner.isNamed(number, i, name)).toBe(true));
          expect(scanner.isNamed(number, 0, 'another name')).toBe(false);
        }
      }
    }),
  );
});

test('groups in another sequence are read as well, and a vector that was larger before leaves nothing behind', () => {
  const large = makeShape({ core: Array.from({ length: 200 }, (_, i) => `cpu${i}`) });
  const scanner = new SampleScanner();
  scanner.scan(encodeKeyframe({ seq: 1, atMs: 1, shape: large, values: absentValues(large).fill(7) }));
  const out = new ByteWriter();
  for (const number of [2, 5, 0, 2]) out.varint(number);
  for (const [group, name] of [
    ['disk', 'sda'],
    ['core', '0'],
  ] as const) {
    out.varint(GROUPS.indexOf(group));
    for (const number of [1, 1, name.length]) out.varint(number);
    out.bytes(new TextEncoder().encode(name));
    out.varint(9);
  }
  const bytes = out.finish();
  scanner.scan(bytes);
  expect(scanner.values.slice(0, scanner.length)).toEqual(decodeKeyframe(bytes).values);
  expect(scanner.length).toBe(HOST_METRICS.length + GROUP_METRICS.core.length + GROUP_METRICS.disk.length);
});

test('it throws on what the decoders throw on, and on nothing else', () => {
  const scanner = new SampleScanner();
  const faultOf = (read: () => void): string | undefined => {
    try {
      read();
      return undefined;
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedBytes);
      return (error as Error).message;
    }
  };
  fc.assert(
    fc.property(samples, fc.nat(), fc.nat(255), fc.nat(), ([first], at, byte, cut) => {
      const bytes = encodeKeyframe(first!);
      bytes[at % bytes.length] = byte;
      const broken = bytes.subarray(0, bytes.length - (cut % 3));
      expect(faultOf(() => scanner.scan(broken)) === undefined).toBe(
        faultOf(() => decodeKeyframe(broken)) === undefined,
      );
    }),
  );
});
