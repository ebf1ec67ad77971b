import { describe, expect, test } from '@jest/globals';
import { absentValues, decodeDelta, decodeKeyframe, makeShape, type Sample, type Shape } from '@muster/host-metrics';
import { FRAME } from '@muster/protocol';
import type { SendResult } from '../../contract/session.js';
import { SampleStream } from './sample-stream.js';

const SHAPE = makeShape({ core: ['0', '1'], disk: ['vda'], interface: ['eth0', 'lo'] });
const START_MS = 1_700_000_000_000;

/** A stream with the receiver's side: what it sent, decoded. */
class Stream {
  readonly types: number[] = [];
  readonly samples: Sample[] = [];
  readonly bytes: number[] = [];
  result: SendResult = 'sent';
  #base: Sample | undefined;
  readonly stream = new SampleStream((type, body) => {
    if (this.result !== 'sent') return this.result;
    this.types.push(type);
    this.bytes.push(body.length);
    const sample = type === FRAME.keyframe ? decodeKeyframe(body) : decodeDelta(body, this.#base!);
    if (type === FRAME.keyframe) this.#base = sample;
    this.samples.push(sample);
    return 'sent';
  });

  send(values: Readonly<Record<number, number>> = {}, shape: Shape = SHAPE, atMs = START_MS): SendResult {
    const all = absentValues(shape).map((_, i) => values[i] ?? 1_000_000 + i);
    return this.stream.send({ shape, values: all }, atMs);
  }
}

const K = FRAME.keyframe;
const D = FRAME.delta;

describe('the samples of a session', () => {
  test('a keyframe first, then deltas, a keyframe again after 60 samples', () => {
    const stream = new Stream();
    for (let i = 0; i < 122; i += 1) stream.send({ 3: i });
    expect(stream.types).toEqual(Array.from({ length: 122 }, (_, i) => (i % 60 === 0 ? K : D)));
    expect(stream.samples.map(({ seq }) => seq)).toEqual(Array.from({ length: 122 }, (_, i) => i + 1));
    expect(stream.samples.map(({ values }) => values[3])).toEqual(Array.from({ length: 122 }, (_, i) => i));
  });

  test('a keyframe when it is asked for, when the shape is another one, and when nearly all is different', () => {
    const stream = new Stream();
    stream.send();
    stream.stream.askKeyframe();
    stream.send();
    stream.send();
    const other = makeShape({ ...SHAPE.names, disk: ['vda', 'sdb'] });
    stream.send({}, other);
    stream.send({}, other);
    stream.send(Object.fromEntries(absentValues(other).entries()), other);
    expect(stream.types).toEqual([K, K, D, K, D, K]);
    expect(stream.samples[3]!.shape.names.disk).toEqual(['vda', 'sdb']);
  });

  test('a delta is never more than half as long as its keyframe', () => {
    const stream = new Stream();
    for (let i = 0; i < 80; i += 1) {
      stream.send(Object.fromEntries(Array.from({ length: i }, (_, at) => [at, i * 1_000 + at])));
    }
    let keyframeBytes = 0;
    for (const [i, type] of stream.types.entries()) {
      if (type === K) keyframeBytes = stream.bytes[i]!;
      else expect(2 * stream.bytes[i]!).toBeLessThanOrEqual(keyframeBytes);
    }
    expect(stream.types).toContain(D);
  });

  test('what the session has no room for is as if it had never been, and a keyframe that was asked for comes later', () => {
    const stream = new Stream();
    stream.result = 'full';
    expect(stream.send()).toBe('full');
    stream.result = 'sent';
    stream.send();
    stream.stream.askKeyframe();
    stream.result = 'full';
    stream.send();
    stream.result = 'sent';
    stream.send({ 5: 7 });
    expect(stream.types).toEqual([K, K]);
    expect(stream.samples.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test.each([0, -5, 1e300, START_MS - 1e12, START_MS + 1e12])('a clock that jumps to %s stops nothing', (atMs) => {
    const stream = new Stream();
    stream.send();
    stream.send({}, SHAPE, atMs);
    stream.send();
    expect(stream.samples.map((sample) => sample.atMs)).toEqual([
      START_MS,
      Math.min(2 ** 50, Math.max(0, atMs)),
      START_MS,
    ]);
  });
});
