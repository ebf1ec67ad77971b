import { expect, test } from '@jest/globals';
import { DEFAULT_HEALTH_POLICY, parseHealthPolicy, type HealthRule } from './health-policy.js';
import { stepRule, type RuleState } from './rule-state.js';

const RULE: HealthRule = { name: 'full', vital: 'disk', warning: 0.8, critical: 0.9, hysteresis: 0.05, for: 60_000 };

function levels(rule: HealthRule, steps: readonly (readonly [seconds: number, value: number])[]): number[] {
  const state: RuleState = { level: 0, wanted: 0, wantedSince: 0, seen: 0 };
  return steps.map(([seconds, value]) => {
    stepRule(rule, state, value, { atSeconds: seconds, maxGapSeconds: 150 });
    return state.level;
  });
}

test('a level is reached after the duration, and left after the value was below it by the hysteresis for as long', () => {
  expect(
    levels(RULE, [
      [0, 0.85],
      [59, 0.85],
      [60, 0.85],
    ]),
  ).toEqual([0, 0, 1]);
  expect(
    levels(RULE, [
      [0, 0.85],
      [60, 0.85],
      [70, 0.76],
      [200, 0.76],
      [210, 0.7],
      [269, 0.7],
      [270, 0.7],
    ]),
  ).toEqual([...[0, 1, 1, 1, 1, 1, 0]]);
  expect(
    levels(RULE, [
      [0, 0.95],
      [60, 0.95],
      [120, 0.86],
      [180, 0.86],
      [240, 0.84],
      [300, 0.84],
    ]),
  ).toEqual([0, 2, 2, 2, 2, 1]);
});

test('a value that swings around a threshold starts the duration again, and an unknown one changes nothing', () => {
  expect(
    levels(RULE, [
      [0, 0.85],
      [50, 0.5],
      [70, 0.85],
      [120, 0.85],
      [130, 0.85],
    ]),
  ).toEqual([0, 0, 0, 0, 1]);
  expect(
    levels(RULE, [
      [0, 0.85],
      [30, Number.NaN],
      [60, 0.85],
      [90, Number.NaN],
    ]),
  ).toEqual([0, 0, 1, 1]);
  expect(
    levels({ ...RULE, for: 0 }, [
      [0, 0.8],
      [1, 0.78],
      [2, 0.74],
    ]),
  ).toEqual([1, 1, 0]);
});

test('time of which nothing is known does not count, neither over the threshold nor below it', () => {
  expect(
    levels(RULE, [
      [0, 0.85],
      [50, 0.85],
      [1_000, 0.85],
      [1_059, 0.85],
      [1_060, 0.85],
      [1_070, 0.5],
      [2_000, 0.5],
      [2_060, 0.5],
    ]),
  ).toEqual([0, 0, 0, 0, 1, 1, 1, 0]);
  // Other values of the samples are known.
  expect(
    levels(RULE, [
      [0, 0.85],
      [100, Number.NaN],
      [200, Number.NaN],
      [210, 0.85],
      [270, 0.85],
    ]),
  ).toEqual([0, 0, 0, 0, 1]);
});

test('a clock that is behind counts as one that is ahead', () => {
  expect(
    levels({ ...RULE, vital: 'clock', warning: 30, critical: 300, hysteresis: 5, for: 0 }, [
      [0, -31],
      [1, -400],
    ]),
  ).toEqual([1, 2]);
});

test('a policy file is read with all its faults', () => {
  const text = JSON.stringify({
    rules: [{ name: 'full', vital: 'disk', warning: 0.8, for: '5m' }],
    silent: 'critical',
  });
  expect(parseHealthPolicy(text)).toEqual({
    ok: true,
    value: { rules: [{ name: 'full', vital: 'disk', warning: 0.8, for: 300_000, hysteresis: 0 }], silent: 'critical' },
  });
  const wrong = {
    rules: [
      { name: 'x', vital: 'speed', warning: 1 },
      { name: 'y', vital: 'cpu', warning: 2, critical: 1 },
    ],
  };
  const parsed = parseHealthPolicy(JSON.stringify(wrong));
  expect(parsed).toEqual({
    ok: false,
    faults: [expect.stringMatching(/^rules\.0\.vital/), expect.stringMatching(/^rules\.1/)],
  });
  expect(DEFAULT_HEALTH_POLICY.rules).toHaveLength(5);
});
