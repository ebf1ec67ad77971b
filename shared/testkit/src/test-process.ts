import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@muster/runtime/testing';

export interface TestProcessOptions {
  /** The compiled entry, run by this same Node. */
  readonly main: string;
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  /** Its whole environment, besides `PATH`, `MUSTER_READY_FILE` and `MUSTER_PARENT_PID`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A program that becomes the one that its arguments name, such as `nsenter`, with its own arguments. */
  readonly via?: readonly string[];
  /** Where its standard error goes: into `output` (default), or to the standard error of the tests. */
  readonly stderr?: 'output' | 'inherit';
}

export interface Ready {
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
}

export interface LogLine {
  readonly msg: string;
  readonly [field: string]: unknown;
}

const READY_WITHIN_MS = 120_000;
const QUOTED_CHARACTERS = 4_000;

/** One of our programs as a child process of a test. It ends when the test process does. */
export class TestProcess {
  readonly child: ChildProcess;
  /** Its exit code, or null where a signal ended it; settles when its output is complete too. */
  readonly exited: Promise<number | null>;
  readonly #readyFile = join(tmpdir(), `muster-ready-${randomUUID()}.json`);
  readonly #waiting = new Set<() => void>();
  #output = '';
  #ready: Ready | undefined;

  constructor({ main, args = [], nodeArgs = [], env, cwd, via = [], stderr = 'output' }: TestProcessOptions) {
    const [program = process.execPath, ...rest] = [...via, process.execPath, ...nodeArgs, main, ...args];
    this.child = spawn(program, rest, {
      env: {
        PATH: process.env['PATH'],
        MUSTER_READY_FILE: this.#readyFile,
        MUSTER_PARENT_PID: String(process.pid),
        ...env,
      },
      cwd,
      stdio: ['ignore', 'pipe', stderr === 'inherit' ? 'inherit' : 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        this.#wake();
      });
    }
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('close', (code) => resolve(code));
    });
    // A test that does not wait for the end must not fail by it.
    this.exited.then(
      () => this.#onEnd(),
      () => this.#onEnd(),
    );
  }

  /** Starts a service and resolves when it is ready. What it writes to its standard error shows in the output of the tests. */
  static async start(options: TestProcessOptions): Promise<TestProcess> {
    const started = new TestProcess({ stderr: 'inherit', ...options });
    await started.ready();
    return started;
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  get output(): string {
    return this.#output;
  }

  /** Its log lines so far, without other output. */
  get log(): readonly LogLine[] {
    // The last line may be incomplete.
    const lines = this.#output.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as LogLine);
  }

  /** A port of its ready file. @throws where it is not ready, or names no such port. */
  port(name: string): number {
    const port = this.#ready?.ports[name];
    if (port === undefined) throw new Error(`no port "${name}" in the ready file of process ${this.pid}`);
    return port;
  }

  get healthUrl(): string {
    return `http://127.0.0.1:${this.port('health')}`;
  }

  /** Resolves when it has written its ready file. @throws when it ends first. */
  async ready(withinMs = READY_WITHIN_MS): Promise<Ready> {
    const outcome = await eventually(
      () => this.#readReadyFile() ?? (this.running ? undefined : 'ended'),
      `process ${this.pid}: ready file`,
      withinMs,
    );
    if (outcome === 'ended') throw await this.#endedEarly('it was ready');
    return (this.#ready = outcome);
  }

  /** Resolves with the match and its groups as soon as its output contains the pattern. @throws when it ends first. */
  async printed(pattern: RegExp | string): Promise<readonly string[]> {
    let match: readonly string[] | null = null;
    await this.until(() => (match = this.#match(pattern)) !== null, `it printed ${String(pattern)}`);
    return match ?? [];
  }

  /** Resolves when the condition on its output holds; it is checked at every output. @throws when the process ends first. */
  async until(condition: () => boolean, what = 'the condition held'): Promise<void> {
    while (!condition()) {
      if (!this.running) throw await this.#endedEarly(what);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Returns false where the process is gone. */
  signal(signal: NodeJS.Signals): boolean {
    return this.running && this.child.kill(signal);
  }

  /** It stands still, with its connections open, until `resume`. */
  freeze(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  /** Ends it as a power cut would; resolves when it is gone. */
  kill(): Promise<number | null> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** Ends it by SIGTERM, also a frozen one; resolves with its exit code. Idempotent. */
  stop(): Promise<number | null> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    return this.exited;
  }

  #match(pattern: RegExp | string): readonly string[] | null {
    if (typeof pattern !== 'string') return pattern.exec(this.#output);
    return this.#output.includes(pattern) ? [pattern] : null;
  }

  #readReadyFile(): Ready | undefined {
    try {
      return JSON.parse(readFileSync(this.#readyFile, 'utf8')) as Ready;
    } catch {
      return undefined;
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #onEnd(): void {
    this.#wake();
    rmSync(this.#readyFile, { force: true });
  }

  async #endedEarly(before: string): Promise<Error> {
    const code = await this.exited;
    return new Error(`the process ended with ${code} before ${before}:\n${this.#output.slice(-QUOTED_CHARACTERS)}`);
  }
}
