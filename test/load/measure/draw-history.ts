import type { KeptRun } from './kept-run.js';

const COLUMNS = 3;
const [WIDTH, HEIGHT, GAP, MARGIN, TOP] = [280, 96, 20, 24, 64];
const [INK, FAINT, LINE, OVER, UNDER] = ['#1d2733', '#5b6875', '#c9d1d9', '#c2410c', '#15803d'];

interface Series {
  readonly name: string;
  readonly unit: string;
  readonly limit: number;
  readonly points: readonly { readonly value: number; readonly run: KeptRun }[];
}

/**
 * A small chart for each kept figure, run after run, with its limit as a dashed line. As SVG on a light card, so that
 * it can be read on any background.
 */
export function drawHistory(runs: readonly KeptRun[]): string {
  const all = seriesOf(runs);
  const rows = Math.ceil(all.length / COLUMNS);
  const width = 2 * MARGIN + COLUMNS * WIDTH + (COLUMNS - 1) * GAP;
  const height = TOP + rows * (HEIGHT + GAP + 34) + MARGIN;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Figures of benches over time" font-family="system-ui, 'DejaVu Sans', sans-serif">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="#ffffff" stroke="${LINE}"/>`,
    text(MARGIN, 36, 18, INK, 'Figures of benches, run after run'),
    ...all.flatMap((series, i) => {
      const x = MARGIN + (i % COLUMNS) * (WIDTH + GAP);
      return drawSeries(series, x, TOP + Math.floor(i / COLUMNS) * (HEIGHT + GAP + 34));
    }),
    '</svg>',
  ].join('\n')}\n`;
}

/** By bench and name, as the runs have them first. */
function seriesOf(runs: readonly KeptRun[]): Series[] {
  const all = new Map<
    string,
    { name: string; unit: string; limit: number; points: { value: number; run: KeptRun }[] }
  >();
  for (const run of runs) {
    for (const [figure, { value, limit, unit }] of Object.entries(run.figures)) {
      const name = `${run.bench}: ${figure}`;
      const series = all.get(name) ?? { name, unit, limit, points: [] };
      all.set(name, series);
      // The limit of the newest run: it may have been tightened.
      series.limit = limit;
      series.points.push({ value, run });
    }
  }
  return [...all.values()];
}

function drawSeries({ name, unit, limit, points }: Series, x: number, y: number): string[] {
  const most = Math.max(limit, ...points.map(({ value }) => value)) * 1.1 || 1;
  const atX = (i: number): number => x + (points.length === 1 ? WIDTH / 2 : (i * WIDTH) / (points.length - 1));
  const atY = (value: number): number => y + 24 + HEIGHT * (1 - value / most);
  const last = points.at(-1);
  const path = points.map(({ value }, i) => `${atX(i).toFixed(1)},${atY(value).toFixed(1)}`).join(' ');
  return [
    text(x, y + 2, 12, INK, name),
    text(x, y + 18, 11, FAINT, `last ${last?.value ?? ''} ${unit}, limit ${limit} ${unit}`),
    `<line x1="${x}" x2="${x + WIDTH}" y1="${y + 24 + HEIGHT}" y2="${y + 24 + HEIGHT}" stroke="${LINE}"/>`,
    `<line x1="${x}" x2="${x + WIDTH}" y1="${atY(limit).toFixed(1)}" y2="${atY(limit).toFixed(1)}" stroke="${FAINT}" stroke-dasharray="4 3"/>`,
    `<polyline points="${path}" fill="none" stroke="${INK}" stroke-width="1.5"/>`,
    ...points.map(({ value, run }, i) => {
      const title = escape(`${value} ${unit}, ${run.commit}, ${run.at}, ${run.machine}`);
      return `<circle cx="${atX(i).toFixed(1)}" cy="${atY(value).toFixed(1)}" r="3" fill="${value > limit ? OVER : UNDER}"><title>${title}</title></circle>`;
    }),
  ];
}

function text(x: number, y: number, size: number, fill: string, content: string): string {
  return `<text x="${x}" y="${y}" font-size="${size}" fill="${fill}">${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
