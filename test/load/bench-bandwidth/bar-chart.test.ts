import { expect, it } from '@jest/globals';
import { drawBarChart, type Bar } from './bar-chart.js';

const bar = (value: number, label = 'one'): Bar => ({ label, value, text: `${value} B`, colour: '#123456' });

function chart(...bars: readonly Bar[]): string {
  const panels = [{ title: 'Bytes', axis: 'B an hour', groups: [{ title: 'all', bars }] }];
  return drawBarChart({ title: 'A <title> & more', subtitle: 'under it', panels, footnotes: ['note'] });
}

it('bars are as long as their values, and the least can still be seen', () => {
  const widths = [...chart(bar(1_000), bar(250), bar(0)).matchAll(/width="([\d.]+)" height="18"/g)].map(numberIn);
  expect((widths[1] ?? 0) / (widths[0] ?? 0)).toBeCloseTo(0.25, 2);
  expect(widths[2]).toBeGreaterThan(0);
});

it('the axis begins at 0 and has round numbers up to the longest bar', () => {
  const ticks = [...chart(bar(0.73)).matchAll(/text-anchor="middle">([^<]*)</g)].map(numberIn);
  expect(ticks).toEqual([0, 0.2, 0.4, 0.6]);
});

it('text is escaped, and no style comes from outside', () => {
  const svg = chart(bar(1, 'a<b'));
  expect(svg).toContain('A &lt;title&gt; &amp; more');
  expect(svg).toContain('>a&lt;b<');
  expect(svg).not.toMatch(/class=|<style|NaN|undefined/);
});

function numberIn(match: RegExpMatchArray): number {
  return Number(match[1]);
}
