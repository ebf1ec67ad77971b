import { describe, expect, test } from '@jest/globals';
import type { FleetMetrics } from '@muster/messages';
import { mergeGroups } from './fleet-groups.js';

type Group = FleetMetrics['groups'][number];

const BOUNDS = [0.1, 0.2, 0.5, 1];

function group(value: string, values: readonly number[]): Group {
  const counts = Array.from({ length: BOUNDS.length + 1 }, () => 0);
  for (const one of values) {
    const at = BOUNDS.findIndex((bound) => one <= bound);
    counts[at < 0 ? BOUNDS.length : at] = (counts[at < 0 ? BOUNDS.length : at] ?? 0) + 1;
  }
  const sum = values.reduce((all, one) => all + one, 0);
  return { value, endpoints: values.length, vitals: { cpu: { bounds: BOUNDS, counts, sum } } };
}

describe('groups of several services', () => {
  test('added up are what one service would have counted', () => {
    const [left, right] = [
      [0.05, 0.15, 0.4, 2],
      [0.15, 0.9, 0.95, 3],
    ];
    const apart = mergeGroups([[group('linux', left!), group('windows', [1])], [group('linux', right!)]]);
    const whole = mergeGroups([[group('linux', [...left!, ...right!]), group('windows', [1])]]);
    expect(apart).toEqual(whole);
    expect(apart[0]).toMatchObject({ value: 'linux', endpoints: 8 });
    expect(apart[0]?.vitals.cpu?.counts).toEqual([1, 2, 1, 2, 2]);
  });

  test('have quantiles on a straight line within the bucket, which end at the last bound', () => {
    const [merged] = mergeGroups([[group('', [0.15, 0.15, 0.15, 0.15])]]);
    expect(merged?.vitals.cpu?.quantiles?.p50).toBeCloseTo(0.15, 10);
    expect(merged?.vitals.cpu?.quantiles?.p90).toBeCloseTo(0.19, 10);
    expect(mergeGroups([[group('', [7])]])[0]?.vitals.cpu?.quantiles?.p99).toBe(1);
    expect(mergeGroups([[group('', [0.05])]])[0]?.vitals.cpu?.quantiles?.p50).toBeCloseTo(0.05, 10);
    expect(mergeGroups([[group('', [])]])[0]?.vitals.cpu?.quantiles).toBe(null);
  });

  test('in different buckets are refused, not added up', () => {
    const other: Group = { value: '', endpoints: 1, vitals: { cpu: { bounds: [0.5], counts: [1, 0], sum: 0.1 } } };
    expect(() => mergeGroups([[group('', [0.1])], [other]])).toThrow(/different buckets/);
  });
});
