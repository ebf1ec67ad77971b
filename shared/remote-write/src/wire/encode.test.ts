import { describe, expect, test } from '@jest/globals';
import { compress } from 'snappyjs';
import { ProtoWriter } from '../proto/proto-writer.js';
import { LabelSet, SeriesShape, type Series } from '../series/series.js';
import { SampleQueue } from '../queue/sample-queue.js';
import { decodeV1, decodeV2 } from '../testing/decode.js';
import { encodeV1 } from './encode-v1.js';
import { encodeV2 } from './encode-v2.js';
import type { SampleBatch } from './sample-batch.js';

const shape = new SeriesShape('k', { name: 'm', type: 'counter', labels: ['b', 'z'] }, [
  { name: 'b', value: 'ü'.repeat(128) },
  { name: 'z', value: '' },
]);
const series = (labels: { name: string; value: string }[]): Series => ({
  ...{ shape, endpoint: new LabelSet(labels), lastMs: 0, seenSweep: 0, active: true },
});
const [one, two] = [
  series([
    { name: 'A', value: '1' },
    { name: 'a', value: '2' },
    { name: 'zz', value: '3' },
  ]),
  series([]),
];
const batch = (items: [Series, number, number][]): SampleBatch => ({
  series: items.map(([which]) => which),
  timesMs: Float64Array.from(items, ([, timeMs]) => timeMs),
  values: Float64Array.from(items, ([, , value]) => value),
});
/** NaN has many bit patterns; the decoder shows one of them as any other. */
const STALE_BYTES = Buffer.from([0x09, 0x02, 0, 0, 0, 0, 0, 0xf0, 0x7f]);

describe.each([
  ['1.0', encodeV1, decodeV1],
  ['2.0', encodeV2, decodeV2],
] as const)('protocol %s', (_, encode, decode) => {
  test('is read by another decoder: labels sorted by byte, no empty ones, samples of a series together in their sequence', () => {
    const times = [0, 127, 128, 2 ** 31, 2 ** 32 + 5, 1_764_000_000_123, Number.MAX_SAFE_INTEGER];
    const items = times.flatMap((timeMs, index): [Series, number, number][] => [
      [one, timeMs, index],
      [two, timeMs, -index],
    ]);
    const decoded = decode(compress(encode(new ProtoWriter(1), batch(items))));
    const name = ['__name__', 'm'];
    const b = ['b', 'ü'.repeat(128)];
    expect(decoded).toMatchObject([
      {
        labels: [['A', '1'], name, ['a', '2'], b, ['zz', '3']],
        samples: times.map((timeMs, value) => ({ timeMs, value })),
      },
      { labels: [name, b], samples: times.map((timeMs, index) => ({ timeMs, value: -index })) },
    ]);
  });

  test('a stale marker has exactly the bits that Prometheus knows', () => {
    const body = encode(new ProtoWriter(), batch([[two, 5, Number.NaN]]));
    expect(Buffer.from(body).includes(STALE_BYTES)).toBe(true);
  });

  test('a writer is used again', () => {
    const writer = new ProtoWriter();
    encode(writer, batch([[one, 5, 1]]));
    expect(decode(compress(encode(writer, batch([[two, 6, 2]]))))).toMatchObject([
      { samples: [{ timeMs: 6, value: 2 }] },
    ]);
  });
});

test('a queue keeps its sequence while it grows, wraps round and displaces', () => {
  const queue = new SampleQueue(3_000);
  const model: number[] = [];
  let next = 0;
  for (let round = 0; round < 60; round += 1) {
    for (let count = (round * 37) % 400; count > 0; count -= 1) {
      const displaced = queue.push(one, next, next) === 'displaced';
      expect(displaced).toBe(model.length === 3_000);
      if (displaced) model.shift();
      model.push(next);
      next += 1;
    }
    const taken = queue.take((round * 11) % 100);
    expect([...taken.timesMs]).toEqual(model.splice(0, (round * 11) % 100));
    expect(taken.series).toHaveLength(taken.timesMs.length);
    expect(queue.size).toBe(model.length);
    expect(queue.oldestMs).toBe(model[0]);
  }
  expect(next).toBeGreaterThan(6_000);
});
