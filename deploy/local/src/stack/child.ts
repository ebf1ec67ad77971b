import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** How one program is started. */
export interface ChildSpec {
  /** `gateway-1`; unique within a stack. */
  readonly name: string;
  /** The compiled entry, run by this same Node. */
  readonly main: string;
  readonly args?: readonly string[];
  readonly nodeArgs?: readonly string[];
  /** Its whole environment. `MUSTER_READY_FILE` and `MUSTER_PARENT_PID` are added. */
  readonly env: Readonly<Record<string, string>>;
  readonly logPath: string;
  readonly readyPath: string;
  /** The variables that set its ports, by their names in the ready file: a restart uses the ports of the first start. */
  readonly portVariables?: Readonly<Record<string, string>>;
  readonly readyTimeoutMs?: number;
}

/** The content of a ready file. */
export interface Ready {
  readonly pid: number;
  readonly ports: Readonly<Record<string, number>>;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that ended before it was ready, or was not ready in time. The message quotes the end of its log. */
export class ChildError extends Error {
  override readonly name = 'ChildError';
}

const READY_POLL_MS = 20;
const DEFAULT_READY_TIMEOUT_MS = 30_000;
const LOG_TAIL_LINES = 12;
/** The exit code of a service whose configuration has faults: a restart would fail too. */
const CONFIG_FAULT = 2;

/** One run of one program, in its own process group, so that Ctrl-C at the terminal reaches only the runner. */
export class Child {
  readonly spec: ChildSpec;
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  #exit: Exit | undefined;
  #stopped: Promise<void> | undefined;

  constructor(spec: ChildSpec) {
    this.spec = spec;
    const logger = openSync(spec.logPath, 'a', 0o600);
    try {
      this.#process = spawn(process.execPath, [...(spec.nodeArgs ?? []), spec.main, ...(spec.args ?? [])], {
        env: { ...spec.env, MUSTER_READY_FILE: spec.readyPath, MUSTER_PARENT_PID: String(process.pid) },
        stdio: ['ignore', logger, logger],
        detached: true,
      });
    } finally {
      closeSync(logger);
    }
    this.exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve({ code: 127, signal: null }));
      this.#process.once('exit', (code, signal) => resolve({ code, signal }));
    });
    void this.exited.then((exit) => (this.#exit = exit));
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** Whether a restart would fail too. */
  get hasConfigFault(): boolean {
    return this.#exit?.code === CONFIG_FAULT;
  }

  /**
   * Resolves when the program has written its ready file. With `onSlow` it waits as long as the program runs, and
   * passes on what the program logged last each time that it would have given up.
   * @throws ChildError
   */
  async ready(onSlow?: (text: string) => void): Promise<Ready> {
    const { name, readyTimeoutMs = DEFAULT_READY_TIMEOUT_MS } = this.spec;
    const startedAt = performance.now();
    let giveUpAt = startedAt + readyTimeoutMs;
    for (;;) {
      const ready = await readReadyFile(this.spec.readyPath);
      if (ready?.pid === this.pid) return ready;
      if (!this.running) throw new ChildError(`${name} ${describeExit(await this.exited)}.${await this.#logTail()}`);
      if (performance.now() > giveUpAt && onSlow !== undefined) {
        const seconds = Math.round((performance.now() - startedAt) / 1_000);
        onSlow(`${name} has been starting for ${seconds} s.${await this.#logTail(1)}`);
        giveUpAt = performance.now() + readyTimeoutMs;
      } else if (performance.now() > giveUpAt) {
        throw new ChildError(`${name} was not ready within ${readyTimeoutMs / 1000} s.${await this.#logTail()}`);
      }
      await delay(READY_POLL_MS);
    }
  }

  /** Resolves when a program that runs once has done its work. @throws ChildError */
  async done(): Promise<void> {
    const exit = await this.exited;
    if (exit.code !== 0) throw new ChildError(`${this.spec.name} ${describeExit(exit)}.${await this.#logTail()}`);
  }

  /** Sends a signal; false when the process is gone. */
  signal(signal: NodeJS.Signals): boolean {
    return this.running && this.#process.kill(signal);
  }

  /** SIGTERM, then SIGKILL to its whole group after `graceMs`. Resolves when it is gone. Idempotent. */
  stop(graceMs: number): Promise<void> {
    return (this.#stopped ??= this.#stop(graceMs));
  }

  async #stop(graceMs: number): Promise<void> {
    this.signal('SIGTERM');
    const grace = new AbortController();
    const late = delay(graceMs, 'late', { signal: grace.signal }).catch(() => 'ended');
    if (this.running && (await Promise.race([this.exited, late])) === 'late') {
      try {
        process.kill(-this.pid, 'SIGKILL');
      } catch {
        // It has ended in the meantime.
      }
      await this.exited;
    }
    grace.abort();
    await rm(this.spec.readyPath, { force: true });
  }

  async #logTail(count = LOG_TAIL_LINES): Promise<string> {
    const text = await readFile(this.spec.logPath, 'utf8').catch(() => '');
    const lines = text.trimEnd().split('\n').slice(-count);
    return ` The end of ${this.spec.logPath}:\n${lines.map((line) => `  ${line.slice(0, 400)}`).join('\n')}`;
  }
}

/** `ended with code 1`, `was ended by SIGKILL`. */
export function describeExit({ code, signal }: Exit): string {
  return signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
}

async function readReadyFile(path: string): Promise<Ready | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Ready);
}
