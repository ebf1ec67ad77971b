import { spawn, type ChildProcess } from 'node:child_process';
import { MUSTER_MAIN } from './cli.js';
import type { Harness } from './harness.js';

/** Whether this machine has util-linux's `script`, which runs a program in a pseudo-terminal. */
export function hasPty(): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('script', ['--version'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    child.once('error', () => resolve(false));
    child.once('close', () => resolve(text.includes('util-linux')));
  });
}

/** `muster` in a pseudo-terminal of 80 columns and 24 lines, without colours. */
export class PtyProgram {
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #onOutput: () => void = () => undefined;
  output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.output += text;
      this.#onOutput();
    });
    this.#closed = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', () => {
        resolve();
        this.#onOutput();
      });
    });
  }

  press(keys: string): void {
    this.#child.stdin?.write(keys);
  }

  signal(signal: NodeJS.Signals): void {
    process.kill(Number(/pid=(\d+)/.exec(this.output)?.[1]), signal);
  }

  /** What the screen shows; empty before the first frame and after the view. */
  screen(): string[] {
    const from = this.output.lastIndexOf('\u001b[H', this.output.lastIndexOf('\u001b[J'));
    const end = this.output.indexOf('\u001b[J', from);
    if (from < 0 || end < 0 || this.output.lastIndexOf('\u001b[?1049l') > from) return [];
    const frame = this.output.slice(from + 3, end);
    return frame.split(/\r+\n/).map((line) => line.replace('\u001b[K', ''));
  }

  /** Resolves when the screen shows it. Rejects when the program ends first. */
  until(what: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (what.test(this.screen().join('\n'))) resolve();
        else if (this.#child.exitCode !== null)
          reject(new Error(`it ended before it showed ${String(what)}: ${JSON.stringify(this.output.slice(-2_000))}`));
      };
      this.#onOutput = look;
      look();
    });
  }

  /** How it ended, and whether the screen, the cursor and the modes of the terminal are as they were. */
  async ended(): Promise<{ readonly code: number; readonly isRestored: boolean }> {
    await this.#closed;
    const { output } = this;
    const after = output.slice(output.lastIndexOf('\u001b[?1049h'));
    const hasLeft = ['\u001b[?1049l', '\u001b[?25h', '\u001b[?7h'].every((mode) => after.includes(mode));
    const modes = [...output.matchAll(/modes=(\S+)/g)].map(([, mode]) => mode);
    const isSame = modes.length === 2 && modes[0] === modes[1];
    return { code: Number(/rc=(\d+)/.exec(output)?.[1]), isRestored: hasLeft && isSame };
  }
}

/** Starts `muster` in a pseudo-terminal, against a harness. */
export function inPty(
  harness: Harness,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): PtyProgram {
  const words = [process.execPath, MUSTER_MAIN, ...args].map((word) => `'${word}'`).join(' ');
  // The shell goes on after it, whatever ends it, and tells of the terminal.
  const command = [
    'stty rows 24 cols 80',
    'echo modes=$(stty -g)',
    `sh -c 'echo pid=$$; exec "$@"' - ${words}`,
    'echo rc=$?',
    'echo modes=$(stty -g)',
  ].join('; ');
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      ...{ PATH: process.env['PATH'], TERM: 'xterm', NO_COLOR: '1', SHELL: '/bin/sh' },
      ...{ MUSTER_API_URL: harness.stack.apiUrl, MUSTER_TOKEN: harness.stack.token },
      ...env,
    },
  });
  return new PtyProgram(child);
}
