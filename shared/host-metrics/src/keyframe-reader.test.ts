import { expect, test } from '@jest/globals';
import { ByteWriter } from '@muster/protocol/byte-stream';
import { GROUP_METRICS, GROUPS, HOST_METRICS } from './catalogue.js';
import { KeyframeReader } from './keyframe-reader.js';
import { decodeKeyframe, encodeKeyframe } from './sample-codec.js';
import { absentValues, makeShape, type Sample } from './sample.js';

function sample(cores: readonly string[], value: number): Sample {
  const shape = makeShape({ core: cores, interface: ['lo', 'eth0'] });
  return { seq: value, atMs: 1_000 * value, shape, values: absentValues(shape).fill(value, 3) };
}

test('keyframes of equal hosts have one shape, those of others their own, and all read as the decoder reads them', () => {
  const reader = new KeyframeReader();
  const hosts = [['0', '1'], ['0', '2'], ['0', '1'], ['0'], ['0', 'é'], ['0', '1']];
  const read = hosts.map((cores, i) => {
    const bytes = encodeKeyframe(sample(cores, i + 1));
    const its = reader.read(bytes);
    expect(its).toEqual(decodeKeyframe(bytes));
    return its;
  });
  const shapes = read.map(({ shape }) => shape);
  expect(shapes[2]).toBe(shapes[0]);
  expect(shapes[5]).toBe(shapes[0]);
  expect(new Set(shapes).size).toBe(4);
  // What was read stays as it is.
  expect(read[0]?.values.at(-1)).toBe(1);
});

test('bytes that are no text do not pass for a known name', () => {
  const reader = new KeyframeReader();
  reader.read(encodeKeyframe(sample(['aé'], 1)));
  const bytes = encodeKeyframe(sample(['ab'], 1));
  bytes[bytes.indexOf(0x62)] = 0xe9;
  expect(reader.read(bytes).shape.names.core).toEqual(['a\ufffd']);
});

test('a sender with another catalogue is read as before', () => {
  const out = new ByteWriter();
  for (const value of [1, 1_000, HOST_METRICS.length + 1]) out.varint(value);
  for (let i = 0; i <= HOST_METRICS.length; i += 1) out.varint(3);
  for (const value of [1, GROUPS.indexOf('core'), GROUP_METRICS.core.length, 1, 1, 0x30]) out.varint(value);
  for (let i = 0; i < GROUP_METRICS.core.length; i += 1) out.varint(5);
  const reader = new KeyframeReader();
  reader.read(encodeKeyframe(sample(['0'], 1)));
  const bytes = out.finish();
  expect(reader.read(bytes)).toEqual(decodeKeyframe(bytes));
  expect(reader.read(bytes).positions).toBeDefined();
});
