/** One bar, with the words that stand behind it. */
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
  const top = 92;
  const width = (WIDTH - 2 * MARGIN - (panels.length - 1) * GAP) / panels.length;
  const bottom = top + 34 + Math.max(...panels.map(bodyHeight));
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
  const step = tickStep(most);
  const scale = span / most;
  const lines = [text({ x, y: top + 8, size: 14, weight: 600 }, title)];
  for (let tick = 0; tick <= most; tick += step) {
    const at = round(left + tick * scale);
    lines.push(`<path d="M${at} ${top + 26}V${bottom + 4}" stroke="${tick === 0 ? FAINT : LINE}"/>`);
    lines.push(text({ x: at, y: bottom + 19, size: 11, fill: FAINT, anchor: 'middle' }, String(tick)));
  }
  lines.push(text({ x: left, y: bottom + 37, size: 11, fill: FAINT }, axis));
  let y = top + 26;
  for (const group of groups) {
    y += GROUP_TITLE;
    lines.push(text({ x, y: y - 9, size: 12, weight: 600, fill: FAINT, backed: true }, group.title));
    for (const { label, value, text: words, colour } of group.bars) {
      const length = Math.max(1.5, value * scale);
      lines.push(text({ x: left - 8, y: y + 13, size: 12, anchor: 'end' }, label));
      lines.push(`<rect x="${left}" y="${y}" width="${round(length)}" height="${BAR}" fill="${colour}"/>`);
      lines.push(text({ x: round(left + length + 6), y: y + 13, size: 12, weight: 600, backed: true }, words));
      y += ROW;
    }
  }
  return lines.join('\n');
}

/** 1, 2 or 5 times a power of ten, so that there are three to seven of them. */
function tickStep(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return [0.2, 0.5, 1, 2].map((part) => part * power).find((step) => most / step <= 5) ?? power;
}

interface TextStyle {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: string;
  /** Nothing shines through. */
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
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
