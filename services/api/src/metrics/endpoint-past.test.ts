import { describe, expect, it } from '@jest/globals';
import {
  absentValues,
  encodeHistory,
  hostMetric,
  KeyframeReader,
  makeShape,
  MalformedBytes,
  type Sample,
} from '@muster/host-metrics';
import { EndpointPast } from './endpoint-past.js';

const SHAPE = makeShape({ core: ['0'] });
const MEMORY = hostMetric('system.memory.limit');

const at = (second: number): Sample => {
  const values = absentValues(SHAPE);
  values[MEMORY] = second;
  return { seq: second, atMs: second * 1_000, shape: SHAPE, values };
};
const piece = (...seconds: number[]): Uint8Array => encodeHistory({ kind: 'seconds', samples: seconds.map(at) });
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

function setUp() {
  const faults = { count: 0 };
  const past = new EndpointPast(new KeyframeReader(), () => (faults.count += 1));
  const seconds = (afterMs = 0): unknown[] =>
    Array.from(past.after(afterMs), ({ atMs, values }) =>
      atMs === 1_000 * (values[MEMORY] ?? 0) ? atMs / 1_000 : 'wrong',
    );
  return { past, faults, seconds };
}

describe('the past of an endpoint', () => {
  it('is its history and what came live, in order, each moment once', () => {
    const { past, seconds } = setUp();
    past.add(at(7));
    past.addPiece(piece(1, 2, 3));
    past.addPiece(piece(4, 5, 6, 7));
    past.add(at(8));
    expect(seconds()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(seconds(4_000)).toEqual([5, 6, 7, 8]);
    expect(past.newestMs).toBe(8_000);
  });

  it('is filled where it had a gap, when the history comes again', () => {
    const { past, seconds } = setUp();
    past.addPiece(piece(1, 2, 3));
    past.add(at(9));
    past.addPiece(piece(2, 3, 4, 5));
    past.addPiece(piece(6, 7, 8, 9, 10));
    expect(seconds()).toEqual(range(1, 11));
  });

  it('begins anew when the clock was set back, and has what comes then', () => {
    const { past, seconds } = setUp();
    past.addPiece(piece(...range(4_000, 4_700)));
    expect(range(4_700, 4_720).map((second) => past.add(at(second)))).toEqual(range(0, 20).map(() => true));
    expect(past.add(at(1_000))).toBe(false);
    for (const second of range(1_001, 1_100)) expect(past.add(at(second))).toBe(true);
    expect([seconds(), past.newestMs]).toEqual([range(1_000, 1_100), 1_099_000]);
    past.addPiece(piece(...range(500, 1_000)));
    expect(seconds()).toEqual(range(500, 1_100));
  });

  it('takes samples of a clock that was set back a little, and pieces whose times are in no order', () => {
    const { past, seconds } = setUp();
    past.add(at(9));
    past.add(at(4));
    past.add(at(4));
    past.addPiece(piece(3, 1, 2));
    expect(seconds()).toEqual([1, 2, 3, 4, 9]);
  });

  it('is bounded: the oldest are given up', () => {
    const { past, seconds } = setUp();
    for (let from = 0; from < 3_000; from += 60) past.addPiece(piece(...range(from, from + 60)));
    for (let second = 3_000; second < 3_100; second += 1) past.add(at(second));
    const kept = seconds() as number[];
    expect(kept.length).toBeGreaterThanOrEqual(600);
    expect(kept).toEqual(range(3_100 - kept.length, 3_100));
    for (let second = 3_100; second < 9_000; second += 1) past.add(at(second));
    expect(seconds()).toHaveLength(720);
  });

  it('loses what cannot be read, which is counted, and nothing else', () => {
    const { past, faults, seconds } = setUp();
    past.addPiece(piece(1, 2));
    const bad = piece(3, 4, 5).slice();
    // The last change is of a value that the keyframe does not have.
    bad[bad.length - 2] = 0x7f;
    past.addPiece(bad);
    past.addPiece(piece(6, 7));
    expect(() => past.addPiece(bad.subarray(0, -1))).toThrow(MalformedBytes);
    expect(seconds().filter((second) => second !== 'wrong')).toEqual([1, 2, 3, 4, 6, 7]);
    expect(faults.count).toBe(1);
    expect(seconds()).toEqual([1, 2, 6, 7]);
    expect(faults.count).toBe(1);
  });
});
