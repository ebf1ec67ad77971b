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
  /**
   * One line for each value instead of one for each row: always, or when columns would have less than so many cells. Without it never.
   */
  readonly vertical?: 'always' | number | undefined;
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
  #isVertical = false;
  #records = 0;

  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** The text that may be printed now. */
  add(values: readonly string[]): string {
    const row = values.map(escapeControls);
    if (this.#waiting === undefined) return this.#row(row);
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
    const { headers, width, style, vertical } = this.#options;
    const heads = headers.map((header) => escapeControls(header).toUpperCase());
    const weights = headers.map(weightOf);
    const natural = heads.map((head, i) =>
      rows.reduce((most, row) => Math.max(most, stringWidth(row[i] ?? '')), stringWidth(head)),
    );
    this.#isVertical =
      vertical === 'always' || (vertical !== undefined && isTooNarrow(natural, weights, vertical, width));
    if (this.#isVertical) return rows.map((row) => this.#record(row)).join('');
    this.#widths =
      width === undefined ? natural.map((one) => Math.min(one, MAX_PADDED)) : fitWidths(natural, width, weights);
    return style.bold(this.#line(heads).trimEnd()) + '\n' + rows.map((row) => this.#line(row)).join('');
  }

  #row(cells: readonly string[]): string {
    return this.#isVertical ? this.#record(cells) : this.#line(cells);
  }

  /** As `\\x` of psql shows a row. */
  #record(cells: readonly string[]): string {
    const { headers, style } = this.#options;
    this.#records += 1;
    const names = headers.map((header) => escapeControls(header));
    const widest = Math.max(...names.map((name) => stringWidth(name)));
    const lines = names.map((name, i) =>
      `${name}${' '.repeat(widest - stringWidth(name))} | ${cells[i] ?? ''}`.trimEnd(),
    );
    return `${style.bold(`-[ ${this.#records} ]${'-'.repeat(Math.max(4, widest))}`)}\n${lines.join('\n')}\n`;
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

/** How long a column is kept whole: ids the longest, since only a whole one can be copied, then names of hosts. */
function weightOf(header: string): number {
  const name = header.toLowerCase();
  return name === 'id' || name === 'agent' ? 2 : name === 'host' ? 1 : 0;
}

function isTooNarrow(
  natural: readonly number[],
  weights: readonly number[],
  least: number,
  width: number | undefined,
): boolean {
  const needed = natural.map((one, i) => ((weights[i] ?? 0) > 0 ? one : Math.min(one, least)));
  return width !== undefined && sumOf(needed) + GAP.length * (natural.length - 1) > width;
}

/** Makes columns narrower until the line fits: the widest of those of the least weight first. */
export function fitWidths(
  natural: readonly number[],
  width: number,
  weights: readonly number[] = natural.map(() => 0),
): readonly number[] {
  const room = width - GAP.length * (natural.length - 1);
  let widths = natural;
  for (const weight of [0, 1, 2]) {
    if (sumOf(widths) <= room) break;
    const others = sumOf(widths.filter((_, i) => weights[i] !== weight));
    const cap = capOf(
      widths.filter((_, i) => weights[i] === weight),
      room - others,
    );
    widths = widths.map((one, i) => (weights[i] === weight ? Math.min(one, Math.max(cap, MIN_WIDTH)) : one));
  }
  return widths;
}

/** The largest width with which columns of these widths fit into the room. */
function capOf(natural: readonly number[], room: number): number {
  const sorted = [...natural].sort((a, b) => a - b);
  let left = room;
  let cap = MIN_WIDTH;
  for (const [i, one] of sorted.entries()) {
    cap = Math.floor(left / (sorted.length - i));
    if (one > cap) break;
    left -= one;
  }
  return cap;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0);
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
