import type { ScreenListener, ScreenSize } from '../terminal/screen.js';
import { ClosedPipe, type Terminal, type TextOutput } from '../terminal/terminal.js';

/** A terminal that records what was written. */
export interface FakeTerminal extends Terminal {
  out(): string;
  err(): string;
  interrupt(): void;
  /** How many listeners for Ctrl-C there are; without one it would end the process. */
  listeners(): number;
  /** The screen that is open: what it shows, and how to press its keys. */
  screen(): FakeScreen | undefined;
  /** What was asked, and where. */
  readonly asked: readonly { readonly at: 'input' | 'controlling'; readonly question: string }[];
}

export interface FakeScreen {
  readonly lines: readonly string[];
  press(key: string): void;
  resize(size: ScreenSize): void;
}

export interface FakeTerminalOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly home?: string;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly input?: string;
  /** The lines that a person at the terminal types; without it there is no person. */
  readonly answers?: readonly string[];
  /** The reader of stdout closes it after so many writes. */
  readonly closeAfter?: number;
}

export function fakeTerminal(options: FakeTerminalOptions = {}): FakeTerminal {
  const { env = {}, cwd = '/nowhere', home = '/nowhere', isTTY = false, input = '', closeAfter = Infinity } = options;
  const written = { out: '', err: '' };
  const listeners = new Set<() => void>();
  const asked: { at: 'input' | 'controlling'; question: string }[] = [];
  let writes = 0;
  let screen: FakeScreen | undefined;
  const output = (name: 'out' | 'err'): TextOutput => ({
    isTTY,
    columns: isTTY ? (options.columns ?? 80) : undefined,
    write: (text) => {
      if (name === 'out' && (writes += 1) > closeAfter) return Promise.reject(new ClosedPipe('closed'));
      written[name] += text;
      return Promise.resolve();
    },
  });
  return {
    stdout: output('out'),
    stderr: output('err'),
    env,
    cwd,
    home,
    useUtc: () => undefined,
    readInput: () => Promise.resolve(input),
    asked,
    openPrompt(at) {
      if (options.answers === undefined) return undefined;
      const lines = [...options.answers];
      return {
        ask(question) {
          asked.push({ at, question });
          return Promise.resolve(lines.shift());
        },
        close: () => undefined,
      };
    },
    openEditor: () => {
      const lines = [...(options.answers ?? [])];
      return {
        isInteractive: isTTY,
        read(prompt) {
          asked.push({ at: 'input', question: prompt });
          return Promise.resolve(lines.shift());
        },
        close: () => undefined,
      };
    },
    screen: () => screen,
    openScreen(listener) {
      if (!isTTY || env['TERM'] === 'dumb') return undefined;
      const opened = new OpenedScreen(listener, { columns: options.columns ?? 80, rows: 24 });
      const offInterrupt = this.onInterrupt(() => listener.interrupted());
      screen = opened;
      return {
        get size() {
          return opened.size;
        },
        draw: (lines) => void (opened.lines = lines),
        close() {
          offInterrupt();
          screen = undefined;
        },
      };
    },
    onInterrupt(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    listeners: () => listeners.size,
    out: () => written.out,
    err: () => written.err,
    interrupt: () => {
      for (const listener of listeners) listener();
    },
  };
}

class OpenedScreen implements FakeScreen {
  readonly #listener: ScreenListener;
  lines: readonly string[] = [];
  size: ScreenSize;

  constructor(listener: ScreenListener, size: ScreenSize) {
    this.#listener = listener;
    this.size = size;
  }

  press(key: string): void {
    this.#listener.key(key);
  }

  resize(size: ScreenSize): void {
    this.size = size;
    this.#listener.resized();
  }
}
