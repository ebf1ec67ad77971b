import { writeSync } from 'node:fs';
import { emitKeypressEvents } from 'node:readline';

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** The whole of a terminal, for a view that is drawn again and again. */
export interface Screen {
  readonly size: ScreenSize;
  /** Shows these lines from the top, and nothing else. A frame that the terminal is too slow for is replaced by the next. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal back as it was. */
  close(): void;
}

export interface ScreenListener {
  /** A character, or the name of a key: `up`, `return`, `escape`, `f1`. */
  key(key: string): void;
  /** The size has changed, or what was shown is lost. */
  resized(): void;
  /** Ctrl-C, or SIGINT. */
  interrupted(): void;
}

/** Alternate screen, no cursor, no wrapping of long lines (DEC private modes 1049, 25 and 7). */
const ENTER = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const LEAVE = '\u001b[0m\u001b[?7h\u001b[?25h\u001b[?1049l';
/** Shown at once where the terminal can (mode 2026), so that nothing flickers; the others ignore it. */
const BEGIN_FRAME = '\u001b[?2026h\u001b[H';
const END_FRAME = '\u001b[J\u001b[?2026l';
const CLEAR_REST = '\u001b[K';

const FATAL_SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

interface Key {
  readonly name?: string;
  readonly sequence?: string;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
}

/**
 * Takes over the terminal of this process until `close`. It is given back too when a signal ends the process, when it
 * stops (Ctrl-Z), and at any other end of it.
 */
export class ProcessScreen implements Screen {
  readonly #listener: ScreenListener;
  readonly #input = process.stdin;
  readonly #output = process.stdout;
  #isEntered = false;
  #isWriting = false;
  #waiting: readonly string[] | undefined;

  constructor(listener: ScreenListener) {
    this.#listener = listener;
    if (this.#input.isTTY) {
      emitKeypressEvents(this.#input);
      this.#input.on('keypress', this.#onKey);
    }
    this.#output.on('resize', this.#onResize);
    process.on('exit', this.#leave);
    process.on('SIGINT', this.#onInterrupt);
    process.on('SIGCONT', this.#onContinue);
    for (const signal of FATAL_SIGNALS) process.on(signal, this.#onFatal);
    this.#enter();
  }

  get size(): ScreenSize {
    // A terminal that does not know its size reports 0.
    return { columns: this.#output.columns || 80, rows: this.#output.rows || 24 };
  }

  draw(lines: readonly string[]): void {
    if (!this.#isEntered) return;
    if (this.#isWriting) {
      this.#waiting = lines;
      return;
    }
    this.#isWriting = true;
    const frame = lines.slice(0, this.size.rows).map((line) => line + CLEAR_REST);
    this.#output.write(BEGIN_FRAME + frame.join('\r\n') + END_FRAME, () => {
      this.#isWriting = false;
      const next = this.#waiting;
      this.#waiting = undefined;
      if (next !== undefined) this.draw(next);
    });
  }

  close(): void {
    this.#leave();
    this.#input.off('keypress', this.#onKey);
    this.#output.off('resize', this.#onResize);
    process.off('exit', this.#leave);
    process.off('SIGINT', this.#onInterrupt);
    process.off('SIGCONT', this.#onContinue);
    for (const signal of FATAL_SIGNALS) process.off(signal, this.#onFatal);
  }

  #enter(): void {
    if (this.#isEntered) return;
    this.#isEntered = true;
    this.#write(ENTER);
    if (!this.#input.isTTY) return;
    this.#input.setRawMode(true);
    this.#input.resume();
  }

  readonly #leave = (): void => {
    if (!this.#isEntered) return;
    this.#isEntered = false;
    this.#waiting = undefined;
    if (this.#input.isTTY) {
      this.#input.setRawMode(false);
      this.#input.pause();
    }
    this.#write(LEAVE);
  };

  /** At once, also while the process ends. */
  #write(text: string): void {
    try {
      writeSync(this.#output.fd, text);
    } catch {
      // The terminal is gone, or is so slow that it has to go without.
    }
  }

  readonly #onKey = (text: string | undefined, { name, sequence, ctrl, meta }: Key): void => {
    if (ctrl === true && name === 'c') return this.#listener.interrupted();
    if (ctrl === true && name === 'z') return this.#stop();
    if (ctrl === true && name === 'l') return this.#onResize();
    if (ctrl === true || meta === true) return name === 'escape' ? this.#listener.key('escape') : undefined;
    const isCharacter = text?.length === 1 && text > ' ' && text < '\u007f';
    const key = isCharacter ? text : (name ?? sequence);
    if (key !== undefined) this.#listener.key(key);
  };

  readonly #onResize = (): void => {
    this.#listener.resized();
  };

  readonly #onInterrupt = (): void => this.#listener.interrupted();

  /** Ctrl-Z: in raw mode the terminal does not do it. The whole job stops, as with the terminal's own. */
  #stop(): void {
    this.#leave();
    process.kill(0, 'SIGTSTP');
  }

  readonly #onContinue = (): void => {
    this.#enter();
    this.#listener.resized();
  };

  /** The shell is to see which signal it was. */
  readonly #onFatal = (signal: NodeJS.Signals): void => {
    this.close();
    process.kill(process.pid, signal);
  };
}
