import { describe, expect, it } from '@jest/globals';
import {
  decodeDelta,
  decodeHistory,
  decodeKeyframe,
  HOST_METRICS,
  hostMetric,
  hostValue,
  type Sample,
} from '@muster/host-metrics';
import { decodeHeader, FLAG_FINAL, FRAME, frameBody, LIMITS } from '@muster/protocol';
import { SimulatedMetrics } from './simulated-metrics.js';

const BEGIN_MS = 1_790_000_000_000;

function setUp(index = 3) {
  const samples: Sample[] = [];
  const types: number[] = [];
  const history: { readonly bytes: Uint8Array; readonly final: boolean; readonly ref: number }[] = [];
  const sizes: number[] = [];
  let keyframe: Sample | undefined;
  let nowMs = BEGIN_MS;
  const metrics = new SimulatedMetrics({
    host: { seed: 1, index },
    random: () => 0.5,
    send: (frame) => {
      const { type = 0, ref = 0, flags = 0 } = decodeHeader(frame) ?? {};
      const body = frameBody(frame);
      types.push(type);
      if (type === FRAME.keyframe) samples.push((keyframe = decodeKeyframe(body)));
      else if (type === FRAME.delta && keyframe !== undefined) samples.push(decodeDelta(body, keyframe));
      else if (type === FRAME.history) history.push({ bytes: body, final: flags === FLAG_FINAL, ref });
      if (type === FRAME.delta) sizes.push(body.length);
    },
  });
  const pass = (seconds: number): void => {
    for (let second = 0; second < seconds; second += 1) metrics.beat((nowMs += 1_000));
  };
  return { metrics, samples, types, history, sizes, pass, now: () => nowMs };
}

describe('the metrics of a simulated agent', () => {
  it('are sent at the interval of METRICS, and not without it', () => {
    const { metrics, samples, types, pass, now } = setUp();
    pass(100);
    expect(types).toEqual([]);
    metrics.assign({ everyMs: 60_000 }, 0, now());
    pass(600);
    expect(samples.length).toBe(10);
    expect(types.filter((type) => type === FRAME.keyframe)).toHaveLength(1);
    metrics.assign({ everyMs: 0 }, 0, now());
    pass(600);
    expect(samples.length).toBe(10);
  });

  it('come once a second while watched, then slowly again by themselves', () => {
    const { metrics, samples, types, sizes, pass, now } = setUp();
    const watch = { everyMs: 1_000, forMs: 10_000 };
    metrics.assign({ everyMs: 60_000 }, 0, now());
    metrics.assign({ everyMs: 60_000, watch, keyframe: true }, 0, now());
    expect(types).toEqual([FRAME.keyframe]);
    for (let i = 0; i < 20; i += 1) {
      pass(5);
      metrics.assign({ everyMs: 60_000, watch }, 0, now());
    }
    expect(samples.length).toBe(101);
    expect(types.filter((type) => type === FRAME.keyframe)).toHaveLength(2);
    expect(types.filter((type) => type === FRAME.processes)).toHaveLength(20);
    expect(Math.max(...sizes)).toBeLessThan(600);
    pass(10);
    const before = samples.length;
    pass(120);
    expect(samples.length - before).toBe(2);
  });

  it.each([0, 1, 2, 3])('agree with each other, and counters never go back (machine %i)', (index) => {
    const { metrics, samples, pass, now } = setUp(index);
    metrics.assign({ everyMs: 10_000 }, 0, now());
    pass(400);
    expect(samples.length).toBe(40);
    const backwards: string[] = [];
    for (const [i, sample] of samples.entries()) {
      const cpu = ['user', 'system', 'idle', 'iowait', 'softirq'].map(
        (mode) => hostValue(sample, hostMetric('system.cpu.time', { 'cpu.mode': mode })) ?? Number.NaN,
      );
      const cores = hostValue(sample, hostMetric('system.cpu.logical.count')) ?? 0;
      const uptimeS = hostValue(sample, hostMetric('system.uptime')) ?? 0;
      expect(cpu.reduce((sum, each) => sum + each, 0) / (cores * uptimeS)).toBeCloseTo(1, 3);
      const memory = ['used', 'free', 'cached', 'buffers'].map(
        (state) => hostValue(sample, hostMetric('system.memory.usage', { 'system.memory.state': state })) ?? Number.NaN,
      );
      expect(memory.reduce((sum, each) => sum + each, 0)).toBe(hostValue(sample, hostMetric('system.memory.limit')));
      const before = samples[i - 1];
      for (const [number, { kind, name }] of HOST_METRICS.entries()) {
        const [value, last] = [hostValue(sample, number), before && hostValue(before, number)];
        if (kind === 'counter' && value !== undefined && last !== undefined && value < last) backwards.push(name);
      }
    }
    expect(backwards).toEqual([]);
  });

  it('have a past of ten minutes and a day, in pieces that fit', () => {
    const { metrics, history, now } = setUp();
    metrics.history(9, { secondsMs: 600_000, minutesMs: 86_400_000 }, now());
    expect(history.map(({ final }) => final)).toEqual(history.map((_, i) => i === history.length - 1));
    expect(history.every(({ ref }) => ref === 9)).toBe(true);
    expect(Math.max(...history.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(LIMITS.historyBytes);
    const counts = { seconds: 0, mean: 0, lowest: 0, highest: 0 };
    for (const { bytes } of history) {
      const { kind, samples } = decodeHistory(bytes);
      counts[kind] += samples.length;
    }
    expect(counts).toEqual({ seconds: 600, mean: 1_440, lowest: 1_440, highest: 1_440 });
  });
});
