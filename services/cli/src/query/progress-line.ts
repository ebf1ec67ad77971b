import type { Ledger } from '@muster/protocol';
import type { Style } from '../output/table.js';
import { cutToWidth } from '../output/table.js';
import type { TextOutput } from '../terminal.js';

const REDRAW_MS = 100;
const CLEAR = '\r\u001b[K';

/** The live line on a terminal's stderr. Without a terminal it does nothing. */
export class ProgressLine {
  readonly #out: TextOutput;
  readonly #style: Style;
  readonly #startedAt = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #ledger: Ledger | undefined;
  #note = 'asking';
  #shown = false;

  constructor(out: TextOutput, style: Style) {
    this.#out = out;
    this.#style = style;
    if (!out.isTTY) return;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  update(ledger: Ledger): void {
    this.#ledger = ledger;
    this.#note = '';
  }

  /** Said instead of nothing: `cancelling`, `reconnecting`. */
  note(text: string): void {
    this.#note = text;
  }

  /** Takes the line away so that something else may be written; it comes back by itself. */
  hide(): void {
    if (!this.#shown) return;
    this.#shown = false;
    void this.#out.write(CLEAR).catch(() => undefined);
  }

  end(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.hide();
  }

  #draw(): void {
    const seconds = ((performance.now() - this.#startedAt) / 1_000).toFixed(1);
    const parts = [this.#ledger === undefined ? '' : progressText(this.#ledger), this.#note, `${seconds} s`];
    const text = cutToWidth(parts.filter((part) => part !== '').join(' · '), (this.#out.columns ?? 80) - 1);
    this.#shown = true;
    void this.#out.write(CLEAR + this.#style.dim(text)).catch(() => undefined);
  }
}

/** `5,000 targeted · 4,800 answered · 190 waiting · 10 failed` */
export function progressText(ledger: Ledger): string {
  const answered = ledger.answered + ledger.empty;
  const failed = ledger.targeted - answered - ledger.waiting;
  const counts = { targeted: ledger.targeted, answered, waiting: ledger.waiting, failed };
  return Object.entries(counts)
    .map(([name, count]) => `${count.toLocaleString('en-US')} ${name}`)
    .join(' · ');
}
