import type { AnswerWarnings } from './answer-warnings.js';
import type { TableRow } from './collect.js';

/** A longer text is cut to this size. */
const CELL_BYTES = 64 * 1024;
/** Every text may be as long as this, whatever the others are. */
const SHORT_BYTES = 2 * 1024;

/**
 * Bounds the texts of tables, so that one object of anybody, such as a process with megabytes of arguments, or many of
 * them, costs its own cell and not the answer. Long texts share `longBytes`; what does not fit any more is cut short.
 */
export class CellBounds {
  #left: number;
  readonly #warnings: AnswerWarnings;
  /** A cell may be asked for more than once. */
  readonly #known = new WeakMap<TableRow, Map<string, string>>();

  constructor(longBytes: number, warnings: AnswerWarnings) {
    this.#left = longBytes;
    this.#warnings = warnings;
  }

  /** The text as the statement sees it. */
  fit(row: TableRow, column: string, text: string): string {
    if (text.length <= SHORT_BYTES / 3) return text;
    const known = this.#known.get(row);
    const before = known?.get(column);
    if (before !== undefined) return before;
    const fitting = this.#fit(column, text);
    if (known === undefined) this.#known.set(row, new Map([[column, fitting]]));
    else known.set(column, fitting);
    return fitting;
  }

  #fit(column: string, text: string): string {
    const bytes = Buffer.byteLength(text);
    if (bytes <= SHORT_BYTES) return text;
    const room = Math.max(SHORT_BYTES, Math.min(CELL_BYTES, this.#left));
    this.#left -= Math.min(bytes, room);
    if (bytes <= room) return text;
    this.#warnings.add('cut', `${column} has ${bytes} bytes, of which ${room} are in the answer`);
    return cutAt(text, room);
  }
}

/** As many whole characters as fit into `bytes`. */
function cutAt(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  let end = bytes;
  while (end > 0 && ((encoded[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return encoded.toString('utf8', 0, end);
}
