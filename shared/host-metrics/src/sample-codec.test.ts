import { describe, expect, it } from '@jest/globals';
import { MalformedBytes } from '@muster/protocol/byte-stream';
import fc from 'fast-check';
import { GROUP_LIMIT, GROUP_METRICS, groupMetric, GROUPS, HOST_METRICS, hostMetric } from './catalogue.js';
import { cutHistory, decodeHistory, encodeHistory } from './history-codec.js';
import { historySpan } from './history-cursor.js';
import { decodeDelta, decodeKeyframe, deltaHead, encodeDelta, encodeKeyframe } from './sample-codec.js';
import { absentValues, groupOffset, hostValue, makeShape, sampleValues, type Sample, type Shape } from './sample.js';
import { SampleScanner } from './sample-scanner.js';
import { MAX_INTEGER } from './varint.js';

const SHAPE = makeShape({ core: ['0', '1'], disk: ['sda'], interface: ['eth0', 'wlan0 ü'] });

function sampleOf(seq: number, shape: Shape, values: (index: number) => number): Sample {
  return { seq, atMs: 1_700_000_000_000 + seq * 1_000, shape, values: absentValues(shape).map((_, i) => values(i)) };
}

const anyValue = fc.oneof(
  fc.constant(Number.NaN),
  fc.integer({ min: -100, max: 100 }),
  fc.maxSafeInteger().filter((value) => Math.abs(value) <= MAX_INTEGER),
  fc.constantFrom(MAX_INTEGER, -MAX_INTEGER),
);
const anyVector = fc.array(anyValue, { minLength: SHAPE.length, maxLength: SHAPE.length });
const plain = (sample: Sample) => ({ ...sample, shape: sample.shape.names, values: [...sample.values] });

describe('samples survive the wire', () => {
  it('as keyframes and as deltas, whatever they hold', () => {
    fc.assert(
      fc.property(anyVector, anyVector, (one, other) => {
        const base = sampleOf(1, SHAPE, (i) => one[i] as number);
        const next = sampleOf(9, SHAPE, (i) => other[i] as number);
        const decoded = decodeKeyframe(encodeKeyframe(base));
        expect(plain(decoded)).toEqual(plain(base));
        expect(plain(decodeDelta(encodeDelta(next, base), decoded))).toEqual(plain(next));
      }),
      { numRuns: 50 },
    );
  });

  it('as history', () => {
    fc.assert(
      fc.property(fc.array(anyVector, { minLength: 1, maxLength: 5 }), (vectors) => {
        const samples = vectors.map((values, i) => sampleOf(i + 1, SHAPE, (at) => values[at] as number));
        const { kind, samples: decoded } = decodeHistory(encodeHistory({ kind: 'lowest', samples }));
        expect(kind).toBe('lowest');
        expect(decoded.map(plain)).toEqual(samples.map(plain));
      }),
      { numRuns: 30 },
    );
  });

  it('as history that is cut: what is left is what was since then', () => {
    fc.assert(
      fc.property(fc.array(anyVector, { minLength: 1, maxLength: 5 }), fc.nat(6), (vectors, from) => {
        const samples = vectors.map((values, i) => sampleOf(i + 1, SHAPE, (at) => values[at] as number));
        const sinceMs = 1_700_000_000_000 + from * 1_000;
        const cut = cutHistory(encodeHistory({ kind: 'seconds', samples }), sinceMs);
        const left = samples.filter(({ atMs }) => atMs >= sinceMs);
        expect(cut === undefined ? [] : decodeHistory(cut).samples.map(plain)).toEqual(left.map(plain));
        if (cut === undefined) return;
        const [fromMs, toMs] = [left[0]?.atMs, left.at(-1)?.atMs];
        expect(historySpan(cut)).toEqual({ fromMs, toMs, samples: left.length, isOrdered: true });
      }),
      { numRuns: 50 },
    );
  });

  it('and what did not change costs nothing', () => {
    const base = sampleOf(1, SHAPE, (i) => i * 1_000);
    expect(
      encodeDelta(
        sampleOf(2, SHAPE, (i) => i * 1_000),
        base,
      ).length,
    ).toBe(4);
    expect(
      encodeDelta(
        sampleOf(2, SHAPE, (i) => (i === 7 ? 7_001 : i * 1_000)),
        base,
      ).length,
    ).toBe(6);
  });
});

describe('decoders', () => {
  const base = sampleOf(1, SHAPE, (i) => i);
  const keyframe = encodeKeyframe(base);
  const delta = encodeDelta(
    sampleOf(2, SHAPE, (i) => i * 2),
    base,
  );

  it('say which keyframe a delta needs, and refuse another one', () => {
    expect(deltaHead(delta)).toEqual({ seq: 2, baseSeq: 1 });
    expect(() => decodeDelta(delta, { ...base, seq: 7 })).toThrow(MalformedBytes);
  });

  it('throw MalformedBytes on whatever is cut or made up, and nothing else', () => {
    const decode = (bytes: Uint8Array): void => {
      for (const each of [decodeKeyframe, (one: Uint8Array) => decodeDelta(one, base), decodeHistory, historySpan]) {
        try {
          each(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedBytes);
        }
      }
    };
    for (let length = 0; length < keyframe.length; length += 1) {
      expect(() => decodeKeyframe(keyframe.subarray(0, length))).toThrow(MalformedBytes);
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), decode), { numRuns: 500 });
    fc.assert(
      fc.property(fc.nat(keyframe.length - 1), fc.nat(255), (at, byte) => {
        const changed = keyframe.slice();
        changed[at] = byte;
        decode(changed);
      }),
      { numRuns: 500 },
    );
  });

  it('take no more instances of a group than allowed', () => {
    const names = Array.from({ length: GROUP_LIMIT.disk + 1 }, (_, i) => `sd${i}`);
    const bytes = encodeKeyframe(sampleOf(1, makeShape({ disk: names }), () => 0));
    expect(() => decodeKeyframe(bytes)).toThrow(MalformedBytes);
  });

  it('ignore values and groups of newer versions, and take missing ones as absent', () => {
    // seq 1, at 2, one value (5), one group: number 40 (unknown) with one metric and one instance `a` of value 3.
    const short = decodeKeyframe(Uint8Array.of(1, 2, 1, 11, 1, 40, 1, 1, 1, 0x61, 7));
    expect(short.values[0]).toBe(5);
    expect([...short.values.subarray(1)].every(Number.isNaN)).toBe(true);
    const newer = decodeKeyframe(
      Uint8Array.of(1, 2, ...[HOST_METRICS.length + 1, 0x00], ...Array.from(HOST_METRICS, () => 3), 0),
    );
    expect(newer.values.length).toBe(HOST_METRICS.length);
  });

  it('apply a delta of a newer or older version to the right values', () => {
    const zero = (count: number): number[] => Array.from({ length: count }, () => 1);
    // One series of the host more than here, an interface with one series more, then an unknown group.
    const net = GROUP_METRICS.interface.length;
    const newer = Uint8Array.of(
      ...[1, 2, HOST_METRICS.length + 1, ...zero(HOST_METRICS.length + 1), 2],
      ...[2, net + 1, 2, 1, 0x61, 1, 0x62, ...zero(2 * (net + 1))],
      ...[40, 1, 1, 1, 0x63, 1],
    );
    // The last known series of the host, the one that is new, the first of the second interface, the unknown group's.
    const changes = [HOST_METRICS.length - 1, 3, 0, 5, net + 1, 7, net, 9];
    const delta = Uint8Array.of(2, 1, 0, ...changes);
    const base = decodeKeyframe(newer);
    const sample = decodeDelta(delta, base);
    const changed = [...sample.values.entries()].filter(([, value]) => value !== 0);
    expect(changed).toEqual([
      [HOST_METRICS.length - 1, 1],
      [groupOffset(sample.shape, 'interface', 1, 0), 3],
    ]);
    expect(() => decodeDelta(Uint8Array.of(2, 1, 0, HOST_METRICS.length + 1 + 2 * (net + 1) + 1, 3), base)).toThrow(
      MalformedBytes,
    );
    // The next sample of the session, and a history, go on from there.
    expect(decodeDelta(delta, { ...base, ...sample, seq: 1 }).values[HOST_METRICS.length - 1]).toBe(2);
    const scanner = new SampleScanner();
    scanner.scan(newer, delta);
    expect([...scanner.values.subarray(0, scanner.length)]).toEqual([...sample.values]);
    // An older version has fewer.
    const older = decodeKeyframe(Uint8Array.of(1, 2, 1, 1, 1, 0, 1, 1, 1, 0x30, 1));
    const olderSample = decodeDelta(Uint8Array.of(2, 1, 0, 1, 3), older);
    expect(olderSample.values[groupOffset(olderSample.shape, 'core', 0, 0)]).toBe(1);
    expect(Number.isNaN(olderSample.values[1])).toBe(true);
  });

  it('encoders refuse what is no integer or too large', () => {
    for (const bad of [0.5, MAX_INTEGER + 1, Number.POSITIVE_INFINITY]) {
      expect(() => encodeKeyframe(sampleOf(1, SHAPE, () => bad))).toThrow(RangeError);
    }
  });
});

describe('the catalogue', () => {
  it('has no series twice, and fits its own limits', () => {
    for (const metrics of [HOST_METRICS, ...GROUPS.map((group) => GROUP_METRICS[group])]) {
      const keys = metrics.map(({ name, attributes }) => `${name} ${JSON.stringify(attributes)}`);
      expect(new Set(keys).size).toBe(keys.length);
    }
  });

  it('values come out in the unit of their metric', () => {
    const values = absentValues(SHAPE);
    values[hostMetric('system.cpu.utilization')] = 123;
    values[hostMetric('system.memory.limit')] = 2;
    const rx = groupMetric('interface', 'system.network.io', { 'network.io.direction': 'receive' });
    values[groupOffset(SHAPE, 'interface', 1, rx)] = 42;
    const sample = { shape: SHAPE, values };
    expect(hostValue(sample, hostMetric('system.cpu.utilization'))).toBe(0.123);
    expect([...sampleValues(sample)].map(({ metric, instance, value }) => [metric.name, instance, value])).toEqual([
      ['system.cpu.utilization', undefined, 0.123],
      ['system.memory.limit', undefined, 2_048],
      ['system.network.io', 'wlan0 ü', 42],
    ]);
  });
});
