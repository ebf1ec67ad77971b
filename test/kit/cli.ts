import { spawn, type ChildProcess } from 'node:child_process';
import { mainOf } from '@muster/local';
import type { Harness } from './harness.js';

/** The program `muster`. */
export const MUSTER_MAIN = mainOf('cli');

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `muster` that goes on until it is ended, against a harness. */
export class RunningCli {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #closed: Promise<number | null>;

  constructor(harness: Harness, args: readonly string[]) {
    this.#child = spawn(process.execPath, [MUSTER_MAIN, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: environment(harness),
    });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#closed = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', resolve);
    });
  }

  /** Its exit code. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.#closed;
  }
}

/** Runs `muster` as a process against a harness, with `input` on its standard input. */
export function muster(harness: Harness, args: readonly string[], input?: string): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MUSTER_MAIN, ...args], {
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: environment(harness),
    });
    const texts = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (texts.stdout += text));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...texts }));
    child.stdin?.end(input);
  });
}

function environment({ stack }: Harness): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], MUSTER_API_URL: stack.apiUrl, MUSTER_TOKEN: stack.token };
}
