import { expect, test } from '@jest/globals';
import { encodeBody, decodeBody } from '@muster/protocol';
import { ProcessRanking, type SeenProcess } from './process-ranking.js';

const seen = (pid: number, rest: Partial<SeenProcess> = {}): SeenProcess => ({
  ...{ pid, name: `p${pid}`, start: 1, cpuMs: 0, residentBytes: 1 },
  ...rest,
});

test('the five that use most of each, from two lists; those of equal use by id, and a new process from its start', () => {
  const ranking = new ProcessRanking();
  const before = [1, 2, 3, 4, 5, 6, 7].map((pid) => seen(pid, { cpuMs: 1_000, residentBytes: 100 - pid }));
  expect(ranking.rank(before, 0)).toBeUndefined();
  const after = before.map((one) => (one.pid < 4 ? { ...one, cpuMs: 1_500 } : one));
  const ranks = ranking.rank([...after, seen(8, { cpuMs: 250, residentBytes: 500 })], 1_000);
  expect(ranks?.byCpu.map(({ pid, share }) => [pid, share])).toEqual([
    [1, 0.5],
    [2, 0.5],
    [3, 0.5],
    [8, 0.25],
  ]);
  expect(ranks?.byMemory.map(({ pid }) => pid)).toEqual([8, 1, 2, 3, 4]);
  ranking.forget();
  expect(ranking.rank(after, 2_000)).toBeUndefined();
});

test('what the protocol cannot say is left out', () => {
  const ranking = new ProcessRanking();
  const odd = (cpuMs: number): SeenProcess[] => [
    seen(1, { residentBytes: 1e19, cpuMs }),
    seen(2 ** 60, { cpuMs }),
    seen(3, { residentBytes: Number.NaN, cpuMs }),
    seen(4, { cpuMs: cpuMs * 1e12 }),
    seen(5, { cpuMs: Number.NaN }),
    seen(6, { cpuMs, name: `\u0000${'x'.repeat(500)}` }),
  ];
  ranking.rank(odd(0), 0);
  const { byCpu = [], byMemory = [] } = ranking.rank(odd(100), 1_000) ?? {};
  expect(byCpu.map(({ pid }) => pid)).toEqual([6]);
  expect(byMemory.map(({ pid }) => pid)).toEqual([4, 5, 6]);
  const wire = (all: typeof byCpu): [number, string, number, number, string][] =>
    all.map((one) => [one.pid, one.name, one.share, one.residentBytes, '']);
  const body = encodeBody('processes', { atMs: 1, byCpu: wire(byCpu), byMemory: wire(byMemory) });
  expect(decodeBody('processes', body).ok).toBe(true);
});
