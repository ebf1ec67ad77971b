import type { ScaledHostSeriesJson } from '@muster/api-contract';
import { expect, test } from '@jest/globals';
import { ChartData, CHARTS } from './chart-data.js';

const series = (
  name: string,
  kind: 'counter' | 'gauge',
  attributes: Record<string, string> = {},
): ScaledHostSeriesJson => ({
  name,
  attributes,
  unit: '1',
  kind,
  scale: 1,
});
const SERIES = [
  series('system.cpu.utilization', 'gauge'),
  series('system.network.io', 'counter', { 'network.io.direction': 'receive', 'network.interface.name': 'eth0' }),
  series('system.network.io', 'counter', { 'network.io.direction': 'receive', 'network.interface.name': 'eth1' }),
  series('system.network.io', 'counter', { 'network.io.direction': 'receive', 'network.interface.name': 'lo' }),
];
const sample = (second: number, values: (number | null)[]) =>
  ({ event: 'sample', seq: second, at: new Date(second * 1_000).toISOString(), from: 'live', values }) as const;
const chart = (id: string) => CHARTS.find((one) => one.id === id)!;

test('gauges are shown as they are, counters by their growth per second over all instances but loopback', () => {
  const data = new ChartData();
  data.take({ event: 'series', seq: null, series: SERIES });
  data.take(sample(1, [0.5, 100, 10, 9_000]));
  data.take(sample(2, [null, 150, 20, 9_999]));
  data.take(sample(4, [0.7, 350, 20, 9_999]));
  expect(data.columns(chart('cpu'))).toEqual([
    [1, 2, 4],
    [0.5, null, 0.7],
  ]);
  expect(data.columns(chart('network'))[1]).toEqual([null, 60, 100]);
});

test('a counter that began anew and a gap show nothing rather than a wrong rate', () => {
  const data = new ChartData();
  data.take({ event: 'series', seq: null, series: SERIES });
  data.take(sample(1, [0, 100, 0, 0]));
  data.take(sample(2, [0, 5, 0, 0]));
  data.take(sample(60, [0, 5_000, 0, 0]));
  expect(data.columns(chart('network'))[1]).toEqual([null, null, null]);
});

test('keeps ten minutes, and each moment once', () => {
  const data = new ChartData();
  data.take({ event: 'series', seq: null, series: SERIES });
  for (let second = 1; second <= 700; second += 1) data.take(sample(second, [0, 0, 0, 0]));
  data.take(sample(700, [0, 0, 0, 0]));
  expect(data.length).toBe(601);
});

test('samples of an older order of series are not mixed with those of a new one', () => {
  const data = new ChartData();
  data.take({ event: 'series', seq: null, series: SERIES });
  data.take(sample(1, [0.5, 0, 0, 0]));
  data.take({ event: 'series', seq: null, series: SERIES });
  expect(data.length).toBe(1);
  data.take({ event: 'series', seq: null, series: SERIES.slice(1) });
  expect(data.length).toBe(0);
});

test('a stream of samples that is refused says why, until it goes on', () => {
  const data = new ChartData();
  data.takeEvent({ event: 'refused', seq: null, problem: { code: 'rate_limited', detail: 'too many are open' } });
  expect(data.refusal).toBe('too many are open');
  data.takeEvent({ event: 'state', seq: 1, state: 'away' });
  expect([data.refusal, data.state]).toEqual([undefined, 'away']);
});
