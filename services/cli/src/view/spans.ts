import stringWidth from 'string-width';
import { escapeControls } from '../terminal/escape.js';
import { cutToWidth, type Paint } from '../terminal/table.js';
import { cell } from './drawing.js';

/** Text of one look. Texts of endpoints need no further care: they are escaped where they are put on a line. */
export interface Span {
  readonly text: string;
  readonly paint?: Paint | undefined;
}

/** Spans one after the other, in at most `width` cells. */
export function line(spans: readonly Span[], width: number): string {
  let left = width;
  let out = '';
  for (const { text, paint } of spans) {
    if (left <= 0) break;
    const cut = cutToWidth(escapeControls(text), left);
    left -= stringWidth(cut);
    out += paint === undefined ? cut : paint(cut);
  }
  return out;
}

/** Spans at the left and at the right end of a line. What is on the right is kept where there is no room for both. */
export function spread(left: readonly Span[], right: readonly Span[], width: number): string {
  const rightWidth = Math.min(widthOf(right), width);
  const room = Math.max(width - rightWidth - (rightWidth > 0 ? 2 : 0), 0);
  const padding = width - rightWidth - Math.min(widthOf(left), room);
  return line(left, room) + ' '.repeat(Math.max(padding, 0)) + line(right, rightWidth);
}

export function widthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { text }) => sum + stringWidth(escapeControls(text)), 0);
}

export interface BlockColumn {
  readonly head: string;
  /** Undefined: what the others leave. */
  readonly width?: number;
  readonly align?: 'start' | 'end';
  /** Whether the end of a text says more than its beginning, as with paths. */
  readonly keepEnd?: boolean;
}

export interface Block {
  readonly columns: readonly BlockColumn[];
  readonly rows: readonly { readonly cells: readonly string[]; readonly paint?: Paint | undefined }[];
  readonly width: number;
  /** Lines under the header; the last one counts the rows that have no room. */
  readonly height: number;
  readonly bold: Paint;
}

/** A small table whose lines all have the same width, so that several can stand side by side. */
export function block({ columns, rows, width, height, bold }: Block): string[] {
  const fixed = columns.reduce((sum, column) => sum + (column.width ?? 0), columns.length - 1);
  const widths = columns.map((column) => column.width ?? Math.max(width - fixed, 0));
  const text = (cells: readonly string[]): string => {
    const parts = columns.map(({ align, keepEnd }, i) => {
      const [value, room] = [cells[i] ?? '', widths[i] ?? 0];
      return cell(keepEnd === true ? endOf(value, room) : value, room, align);
    });
    return cell(parts.join(' '), width);
  };
  const shown = rows.length > height ? rows.slice(0, Math.max(height - 1, 0)) : rows;
  const lines = shown.map(({ cells, paint }) => (paint === undefined ? text(cells) : paint(text(cells))));
  if (shown.length < rows.length && height > 0) lines.push(cell(`+${rows.length - shown.length} more`, width));
  return [bold(text(columns.map(({ head }) => head))), ...lines, ...blanks(height - lines.length, width)];
}

/** Blocks beside each other. */
export function beside(blocks: readonly (readonly string[])[], gap: number): string[] {
  const height = Math.max(0, ...blocks.map((lines) => lines.length));
  return Array.from({ length: height }, (_, i) => blocks.map((lines) => lines[i] ?? '').join(' '.repeat(gap)));
}

function blanks(count: number, width: number): string[] {
  return Array.from({ length: Math.max(count, 0) }, () => ' '.repeat(Math.max(width, 0)));
}

const graphemes = new Intl.Segmenter();

/** The text, cut to `width` cells at its beginning. */
function endOf(text: string, width: number): string {
  const escaped = escapeControls(text);
  if (stringWidth(escaped) <= width) return escaped;
  const segments = [...graphemes.segment(escaped)].map(({ segment }) => segment);
  while (segments.length > 0 && stringWidth(segments.join('')) > width - 1) segments.shift();
  return `…${segments.join('')}`;
}
