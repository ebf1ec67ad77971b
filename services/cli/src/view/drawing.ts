import stringWidth from 'string-width';
import { escapeControls } from '../terminal/escape.js';
import { cutToWidth, type Style } from '../terminal/table.js';

export type Colour = 'red' | 'green' | 'yellow' | 'blue' | 'cyan' | 'dim';

/** A part of a bar, from its left. */
export interface Segment {
  /** Of the whole bar, 0 to 1. */
  readonly share: number | undefined;
  readonly colour: Colour;
}

/** What segments are drawn with where colours do not tell them apart. */
const MONOCHROME = ['|', '#', '*', '@'];

/** `[||||||     23%]` in exactly `width` cells, with the text at its right end. */
export function bar(segments: readonly Segment[], text: string, width: number, style: Style): string {
  const room = Math.max(width - 2, 0);
  const cells: { char: string; colour: Colour | undefined }[] = Array.from({ length: room }, () => ({
    char: ' ',
    colour: undefined,
  }));
  let end = 0;
  for (const [i, { share = 0, colour }] of segments.entries()) {
    const from = Math.round(end * room);
    end = Math.min(end + Math.max(share, 0), 1);
    const char = style.hasColours ? '|' : (MONOCHROME[i] ?? '|');
    for (const cell of cells.slice(from, Math.round(end * room))) Object.assign(cell, { char, colour });
  }
  const shown = cutToWidth(text, room);
  for (const [i, char] of shown.split('').entries()) {
    const cell = cells[room - shown.length + i];
    if (cell !== undefined) cell.char = char;
  }
  return `[${painted(cells, style)}]`;
}

/** The value of one column of a history line: a share of the top of the line; `gap` where samples are missing. */
export type Column = number | 'gap' | undefined;

const RAMP = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GAP = '·';

/**
 * A line chart of `height` lines, from the top. What is known is at least `▁`; nothing is shown of the time before, and
 * `·` where samples are missing.
 */
export function chart(
  columns: readonly Column[],
  { height, style, colour }: { height: number; style: Style; colour: (share: number) => Colour },
): string[] {
  return Array.from({ length: height }, (_, line) => {
    const below = (height - 1 - line) * 8;
    const cells = columns.map((column) => {
      if (column === undefined) return { char: ' ', colour: undefined };
      if (column === 'gap') return { char: below === 0 ? GAP : ' ', colour: 'dim' as const };
      const share = Math.min(Math.max(column, 0), 1);
      const level = 1 + Math.round(share * (height * 8 - 1));
      return { char: RAMP[Math.min(Math.max(level - below, 0), 8)] ?? ' ', colour: colour(share) };
    });
    return painted(cells, style);
  });
}

function painted(cells: readonly { char: string; colour: Colour | undefined }[], style: Style): string {
  let out = '';
  for (let from = 0; from < cells.length;) {
    const colour = cells[from]?.colour;
    let to = from + 1;
    while (to < cells.length && cells[to]?.colour === colour) to += 1;
    const text = cells
      .slice(from, to)
      .map(({ char }) => char)
      .join('');
    out += colour === undefined ? text : style[colour](text);
    from = to;
  }
  return out;
}

/** Green, then yellow, then red, as a share grows. */
export function levelColour(share: number): Colour {
  return share >= 0.9 ? 'red' : share >= 0.7 ? 'yellow' : 'green';
}

/** The text in exactly `width` cells, escaped; on the right if `end`. */
export function cell(text: string, width: number, align: 'start' | 'end' = 'start'): string {
  if (width <= 0) return '';
  const cut = cutToWidth(escapeControls(text), width);
  const padding = ' '.repeat(Math.max(0, width - stringWidth(cut)));
  return align === 'end' ? padding + cut : cut + padding;
}

/** What is not known. */
export const UNKNOWN = '-';

/** `0%`, `3.4%`, `45%`, `100%` */
export function percentText(share: number | undefined): string {
  if (share === undefined) return UNKNOWN;
  const percent = share * 100;
  return `${percent > 0 && percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)}%`;
}

const UNITS = ['B', 'K', 'M', 'G', 'T', 'P', 'E'];

/** `0B`, `512B`, `1.2K`, `34M`, `1023G`: at most five characters, powers of 1024 as in `free -h` and `df -h`. */
export function bytesText(bytes: number | undefined): string {
  if (bytes === undefined) return UNKNOWN;
  let value = bytes;
  let unit = 0;
  while (value >= (unit === 0 ? 1_024 : 1_023.5) && unit < UNITS.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  // No machine has so much.
  if (value >= 1_024) return `>${UNITS.at(-1)}`;
  return `${unit === 0 || value >= 9.95 ? value.toFixed(0) : value.toFixed(1)}${UNITS[unit] ?? ''}`;
}

/** `12`, `1.2k`, `3.4M`: at most four characters. */
export function countText(count: number | undefined): string {
  if (count === undefined) return UNKNOWN;
  if (count < 999.5) return count.toFixed(0);
  for (const [unit, size] of [
    ['k', 1e3],
    ['M', 1e6],
    ['G', 1e9],
  ] as const) {
    const value = count / size;
    if (value < 999.5) return `${value >= 9.95 ? value.toFixed(0) : value.toFixed(1)}${unit}`;
  }
  return '>T';
}

/** `0.52`, `24.67`; what no machine has is as short. */
export function loadText(load: number | undefined): string {
  return load !== undefined && load < 9_999 ? load.toFixed(2) : countText(load);
}
