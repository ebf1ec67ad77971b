import { cutToWidth, type Style } from './table.js';
import type { TextOutput } from './terminal.js';

const REDRAW_MS = 100;
const CLEAR = '\r\u001b[K';
const CLEAR_BELOW = '\u001b[J';

/** Shown until the next event, when the server says that it hears nothing. */
export const STALLED_NOTE = 'the message broker does not answer, waiting for it';

/** The live line on a terminal's stderr, and lines above it that change as well. Without a terminal it does nothing. */
export class ProgressLine {
  readonly #out: TextOutput;
  readonly #style: Style;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #text = '';
  #note: string;
  #shown = false;
  #above: readonly string[] = [];
  /** How many lines above it are on the terminal now. */
  #drawn = 0;

  /** `note` is shown until the first update. */
  constructor(out: TextOutput, style: Style, note: string) {
    this.#out = out;
    this.#note = note;
    this.#style = style;
    if (!out.isTTY) return;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  /** Replaces the text and removes the note. */
  update(text: string): void {
    this.#text = text;
    this.#note = '';
  }

  /** Shown behind the text: `cancelling`, `connection lost, trying again`. */
  note(text: string): void {
    this.#note = text;
  }

  /** Removes the line so that something else can be written. The next redraw brings it back. */
  hide(): void {
    if (!this.#shown) return;
    this.#shown = false;
    void this.#out.write(this.#top() + CLEAR + CLEAR_BELOW).catch(() => undefined);
    this.#drawn = 0;
  }

  /** Lines above it, none of which is as wide as the terminal. */
  showAbove(lines: readonly string[]): void {
    this.#above = lines;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.hide();
  }

  #draw(): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1);
    const parts = [this.#text, this.#note, `${seconds} s`];
    const text = cutToWidth(parts.filter((part) => part !== '').join(' · '), (this.#out.columns ?? 80) - 1);
    this.#shown = true;
    const above = this.#above.map((line) => `${CLEAR}${line}\n`).join('');
    // One write, over what is there: the terminal does not flicker.
    void this.#out.write(this.#top() + above + CLEAR + this.#style.dim(text) + CLEAR_BELOW).catch(() => undefined);
    this.#drawn = this.#above.length;
  }

  /** To the first of the lines that are on the terminal. */
  #top(): string {
    return this.#drawn === 0 ? '' : `\r\u001b[${this.#drawn}A`;
  }
}
