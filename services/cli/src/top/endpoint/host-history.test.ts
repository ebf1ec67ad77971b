import { expect, test } from '@jest/globals';
import { HISTORY_MS, HostHistory, type HistoryPoint } from './host-history.js';

const START_MS = Date.UTC(2026, 0, 1);

function point(second: number, cpu: number | undefined): HistoryPoint {
  const nothing = { network: undefined, disk: undefined, receive: undefined, transmit: undefined };
  return { atMs: START_MS + second * 1_000, cpu, memory: 0.5, ...nothing, read: undefined, write: undefined };
}

function historyOf(points: readonly HistoryPoint[]): HostHistory {
  const history = new HostHistory();
  for (const each of points) history.add(each);
  return history;
}

const seconds = (from: number, to: number, cpu: number): HistoryPoint[] =>
  Array.from({ length: to - from }, (_, i) => point(from + i, cpu));

test('ten minutes fill the whole line, whatever its width', () => {
  const history = historyOf(seconds(0, 600, 0.25));
  for (const width of [1, 7, 60, 141, 600, 1_000]) {
    const columns = history.columns('cpu', width, 1);
    expect(columns).toHaveLength(width);
    // The oldest column may be before the first sample.
    expect(new Set(columns.slice(1))).toEqual(width === 1 ? new Set() : new Set([0.25]));
  }
});

test('columns are means of their time, and are divided by the top', () => {
  const history = historyOf([...seconds(0, 300, 0.2), ...seconds(300, 600, 0.6)]);
  expect(history.columns('cpu', 4, 1).map((one) => Number(one).toFixed(2))).toEqual(['0.20', '0.20', '0.60', '0.60']);
  expect(history.columns('cpu', 4, 0.6).at(-1)).toBeCloseTo(1);
  expect(history.columns('network', 4, 0)).toEqual(Array.from({ length: 4 }, () => undefined));
  expect(history.most('cpu')).toBe(0.6);
  expect(history.most('network')).toBe(undefined);
});

test('where samples are missing there is a gap, and before the first there is nothing', () => {
  const history = historyOf([...seconds(0, 100, 0.5), ...seconds(200, 300, 0.5)]);
  const columns = history.columns('cpu', 60, 1);
  expect(columns.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => undefined));
  expect(columns.slice(40, 50)).toEqual(Array.from({ length: 10 }, () => 'gap'));
  expect(columns.slice(30, 40)).not.toContain('gap');
  expect(columns.slice(50)).not.toContain('gap');
  expect(history.gaps).toEqual([{ fromMs: START_MS + 99_000, toMs: START_MS + 200_000 }]);
  expect(historyOf(seconds(0, 60, 0.5)).gaps).toEqual([]);
});

test('it keeps ten minutes, also of an endpoint that sends too many, and begins anew when its clock is set back', () => {
  const many = historyOf(Array.from({ length: 50_000 }, (_, i) => point(i / 100, 0.5)));
  expect(JSON.stringify(many.columns('cpu', 600, 1)).match(/0\.5/g)?.length).toBeLessThan(20);
  const old = historyOf(seconds(0, 5_000, 0.5));
  expect(old.gaps).toEqual([]);
  const back = historyOf([...seconds(1_000, 1_100, 0.5), point(0, 0.9)]);
  expect(back.last?.cpu).toBe(0.9);
  expect(back.most('cpu')).toBe(0.9);
  expect(HISTORY_MS).toBe(600_000);
});
