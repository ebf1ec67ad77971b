import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { keepRun, readRuns } from './kept-figures.js';
import type { KeptRun } from './kept-run.js';

const run = (commit: string, value: number): KeptRun => ({
  ...{ bench: 'query', at: '2026-01-01T00:00Z', commit, machine: 'two <cores>' },
  figures: { 'raw, by floor': { value, limit: 2, unit: '×' } },
});

it('runs are added to those that are kept, and drawn one after the other against their limit', () => {
  const folder = mkdtempSync(join(tmpdir(), 'muster-figures-'));
  try {
    expect(readRuns(folder)).toEqual([]);
    keepRun(run('aaaa', 1.5), folder);
    keepRun(run('bbbb', 2.5), folder);
    expect(readRuns(folder).map(({ commit }) => commit)).toEqual(['aaaa', 'bbbb']);
    const svg = readFileSync(join(folder, 'benches.svg'), 'utf8');
    const circles = svg.match(/<circle .*<\/circle>/g) ?? [];
    expect(circles).toHaveLength(2);
    const fills = circles.map((circle) => /fill="([^"]+)"/.exec(circle)?.[1]);
    expect(fills[0]).not.toBe(fills[1]);
    // A higher value is further up.
    const [low, high] = circles.map((circle) => Number(/cy="([^"]+)"/.exec(circle)?.[1]));
    expect(high).toBeLessThan(low as number);
    expect(svg).toContain('two &lt;cores&gt;');
    expect(svg).toContain('limit 2 ×');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
