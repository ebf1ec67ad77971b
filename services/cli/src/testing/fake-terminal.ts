import { ClosedPipe, type Terminal, type TextOutput } from '../terminal/terminal.js';

/** A terminal that records what was written. */
export interface FakeTerminal extends Terminal {
  out(): string;
  err(): string;
  interrupt(): void;
  /** How many listeners for Ctrl-C there are; without one it would end the process. */
  listeners(): number;
  /** What was asked, and where. */
  readonly asked: readonly { readonly at: 'input' | 'controlling'; readonly question: string }[];
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
