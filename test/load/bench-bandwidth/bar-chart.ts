export interface Bar {
  readonly label: string;
  readonly value: number;
  readonly text: string;
  readonly colour: string;
}

export interface Panel {
  readonly title: string;
  /** What the axis counts, with its unit. The axis is linear and begins at 0. */
  readonly axis: string;
  readonly groups: readonly { readonly title: string; readonly bars: readonly Bar[] }[];
}

export interface BarChart {
  readonly title: string;
  readonly subtitle: string;
  readonly panels: readonly Panel[];
  readonly footnotes: readonly string[];
}

const WIDTH = 860;
const MARGIN = 28;
const GAP = 40;
const LABEL_WIDTH = 96;
/** Behind the longest bar, for its words. */
const TEXT_WIDTH = 62;
const BAR = 18;
const ROW = 24;
const GROUP_TITLE = 30;
const INK = '#1d2733';
const FAINT = '#5b6875';
const LINE = '#c9d1d9';

/** Panels of horizontal bars side by side, as SVG on a light card, so that it can be read on any background. */
export function drawBarChart({ title, subtitle, panels, footnotes }: BarChart): string {
  const top = 94;
  const width = (WIDTH - 2 * MARGIN - (panels.length - 1) * GAP) / panels.length;
  const bottom = top + 26 + Math.max(...panels.map(bodyHeight));
  const height = bottom + 62 + footnotes.length * 17;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">`,
    `<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10" fill="#ffffff" stroke="${LINE}"/>`,
    text({ x: MARGIN, y: 40, size: 19, weight: 600 }, title),
    text({ x: MARGIN, y: 62, size: 13, fill: FAINT }, subtitle),
    ...panels.map((panel, at) => drawPanel(panel, { x: MARGIN + at * (width + GAP), width, top, bottom })),
    ...footnotes.map((line, at) => text({ x: MARGIN, y: bottom + 66 + at * 17, size: 12, fill: FAINT }, line)),
    '</svg>',
  ].join('\n')}\n`;
}

interface Place {
  readonly x: number;
  readonly width: number;
  readonly top: number;
  readonly bottom: number;
}

function bodyHeight({ groups }: Panel): number {
  return groups.reduce((sum, { bars }) => sum + GROUP_TITLE + bars.length * ROW, 0);
}

function drawPanel({ title, axis, groups }: Panel, { x, width, top, bottom }: Place): string {
  const left = x + LABEL_WIDTH;
  const span = width - LABEL_WIDTH - TEXT_WIDTH;
  const most = Math.max(...groups.flatMap(({ bars }) => bars.map(({ value }) => value)));
  const ticks = ticksTo(most).map((tick) => ({ tick, at: round(left + (tick / most) * span) }));
  const lines = [
    text({ x, y: top + 8, size: 14, weight: 600 }, title),
    ...ticks.map(({ tick, at }) => text({ x: at, y: bottom + 17, size: 11, fill: FAINT, anchor: 'middle' }, `${tick}`)),
    text({ x: left, y: bottom + 36, size: 11, fill: FAINT }, axis),
  ];
  let y = top + 24;
  for (const { title: groupTitle, bars } of groups) {
    lines.push(text({ x, y: y + 20, size: 12, weight: 600, fill: FAINT }, groupTitle));
    y += GROUP_TITLE;
    const foot = y + bars.length * ROW;
    for (const { tick, at } of ticks)
      lines.push(`<path d="M${at} ${y - 3}V${foot}" stroke="${tick === 0 ? FAINT : LINE}"/>`);
    for (const bar of bars) {
      lines.push(...drawBar(bar, { left, y, length: Math.max(1.5, (bar.value / most) * span) }));
      y += ROW;
    }
  }
  return lines.join('\n');
}

function drawBar({ label, colour, text: words }: Bar, { left, y, length }: Record<'left' | 'y' | 'length', number>) {
  return [
    text({ x: left - 8, y: y + 13, size: 12, anchor: 'end' }, label),
    `<rect x="${left}" y="${y}" width="${round(length)}" height="${BAR}" fill="${colour}"/>`,
    text({ x: round(left + length + 6), y: y + 13, size: 12, weight: 600, backed: true }, words),
  ];
}

/** From 0, at every 1, 2 or 5 times a power of ten. */
function ticksTo(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.2, 0.5, 1, 2].map((part) => part * power).find((one) => most / one <= 5) ?? power;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}

interface TextStyle {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: string;
  /** Lines do not shine through. */
  readonly backed?: boolean;
}

function text({ x, y, size, weight = 400, fill = INK, anchor = 'start', backed }: TextStyle, words: string): string {
  const back = backed === true ? ' stroke="#ffffff" stroke-width="4" paint-order="stroke"' : '';
  return `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" fill="${fill}" text-anchor="${anchor}"${back}>${escape(words)}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
