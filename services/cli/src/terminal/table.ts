import stringWidth from 'string-width';
import { escapeControls } from './escape.js';

const GAP = '  ';
const ELLIPSIS = '…';
/** A column is not made narrower than this to fit the terminal. */
const MIN_WIDTH = 6;
/** Where lines are not cut, a longer value shifts the rest of its own line instead of padding all others. */
const MAX_PADDED = 40;
/** Rows that determine the widths; later rows are printed as they come. */
const SAMPLE_ROWS = 500;

export interface TableOptions {
  readonly headers: readonly string[];
  /** Indexes of right-aligned columns. */
  readonly numeric?: ReadonlySet<number>;
  /** Lines are cut to this many cells; undefined: they are not cut, and columns are padded to 40 cells at most. */
  readonly width: number | undefined;
  readonly style: Style;
}

/** Gives a text its look. */
export type Paint = (text: string) => string;

/** Colours, or none. */
export interface Style {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
  readonly blue: Paint;
  readonly cyan: Paint;
  readonly inverse: Paint;
  /** Whether colours tell things apart. */
  readonly hasColours: boolean;
}

/** ANSI colours for a terminal, unless NO_COLOR is set to anything (no-color.org). */
export function styleFor(isTTY: boolean, env: Readonly<Record<string, string | undefined>>): Style {
  const on = isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb';
  const wrap = (code: number) => (text: string) => (on ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    ...{ bold: wrap(1), dim: wrap(2), inverse: wrap(7) },
    ...{ red: wrap(31), green: wrap(32), yellow: wrap(33), blue: wrap(34), cyan: wrap(36) },
    hasColours: on,
  };
}

/**
 * A table that begins to print before all rows are known: the first 500 rows determine the widths. Values are escaped, measured in
 * terminal cells (wide characters take two), and cut where the terminal is too narrow.
 */
export class TableWriter {
  readonly #options: TableOptions;
  #waiting: string[][] | undefined = [];
  #widths: readonly number[] = [];

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** The text that may be printed now. */
  add(values: readonly string[]): string {
    const row = values.map(escapeControls);
    if (this.#waiting === undefined) return this.#line(row);
    this.#waiting.push(row);
    return this.#waiting.length < SAMPLE_ROWS ? '' : this.#settle();
  }

  /** The rest of the text. A table without rows has no header line either. */
  end(): string {
    return this.#waiting === undefined || this.#waiting.length === 0 ? '' : this.#settle();
  }

  #settle(): string {
    const rows = this.#waiting ?? [];
    this.#waiting = undefined;
    const { headers, width, style } = this.#options;
    const heads = headers.map((header) => escapeControls(header).toUpperCase());
    const natural = heads.map((head, i) =>
      rows.reduce((most, row) => Math.max(most, stringWidth(row[i] ?? '')), stringWidth(head)),
    );
    this.#widths = width === undefined ? natural.map((one) => Math.min(one, MAX_PADDED)) : fitWidths(natural, width);
    return style.bold(this.#line(heads).trimEnd()) + '\n' + rows.map((row) => this.#line(row)).join('');
  }

  #line(cells: readonly string[]): string {
    const { width, numeric } = this.#options;
    const last = this.#widths.length - 1;
    const parts = this.#widths.map((cellWidth, i) => {
      const text = width === undefined ? (cells[i] ?? '') : cutToWidth(cells[i] ?? '', cellWidth);
      const padding = ' '.repeat(Math.max(0, cellWidth - stringWidth(text)));
      if (numeric?.has(i) === true) return padding + text;
      return i === last ? text : text + padding;
    });
    return `${parts.join(GAP).trimEnd()}\n`;
  }
}

/** A whole table at once. */
export function renderTable(options: TableOptions, rows: Iterable<readonly string[]>): string {
  const writer = new TableWriter(options);
  let text = '';
  for (const row of rows) text += writer.add(row);
  return text + writer.end();
}

/** Makes the widest columns narrower until the line fits. */
export function fitWidths(natural: readonly number[], width: number): readonly number[] {
  const room = width - GAP.length * (natural.length - 1);
  const total = natural.reduce((sum, one) => sum + one, 0);
  if (total <= room) return natural;
  // The largest column width with which the line fits.
  const sorted = [...natural].sort((a, b) => a - b);
  let left = room;
  let cap = MIN_WIDTH;
  for (const [i, one] of sorted.entries()) {
    cap = Math.floor(left / (sorted.length - i));
    if (one > cap) break;
    left -= one;
  }
  return natural.map((one) => Math.min(one, Math.max(cap, MIN_WIDTH)));
}

const graphemes = new Intl.Segmenter();

/** The text, cut to `width` cells with an ellipsis. A character of two cells is never cut in half. */
export function cutToWidth(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  let out = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const cells = stringWidth(segment);
    if (used + cells > width - 1) break;
    out += segment;
    used += cells;
  }
  return out + ELLIPSIS;
}
