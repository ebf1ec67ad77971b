import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { type Backoff, type Clock, fullJitter, type Timer } from '@muster/runtime/program';

export interface ProgramCommand {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface SamplingProgramOptions {
  readonly command: ProgramCommand;
  readonly clock: Pick<Clock, 'monotonic' | 'setTimeout' | 'clear'>;
  /** How long an answer may take; 20 seconds unless given. PowerShell takes some seconds to start on a busy machine. */
  readonly patienceMs?: number;
  /** For the pauses; `Math.random` unless given. */
  readonly random?: () => number;
}

/** What waits for its answer. */
interface Pending {
  readonly ask: string;
  readonly token: string;
  /** Whether the answer was of use; with `undefined` there is none. */
  readonly settle: (answer: string | undefined) => boolean;
  readonly timer: Timer;
}

export interface Request<T> {
  /** A word that the program knows. */
  readonly ask: string;
  readonly args?: string;
  /** Reads the answer, which is Latin-1; `undefined` where it is of no use. */
  readonly parse: (answer: string) => T | undefined;
}

const PATIENCE_MS = 20_000;
/** Of an answer: some twenty thousand processes. */
const MAX_BYTES = 2 * 1024 * 1024;
const RESTART = { baseMs: 10_000, capMs: 600_000, minMs: 5_000 };
/**
 * A question to which no answer came. Each may leave a tool that hangs in the kernel and cannot be ended, so it is soon
 * asked only once an hour.
 */
const ASK_AGAIN = { baseMs: 60_000, capMs: 3_600_000, minMs: 30_000 };
/** A program that has lived for so long does not fail at once. */
const STEADY_MS = 600_000;
const LINE_FEED = 10;
const UNIX_LIKE = process.platform !== 'win32';

/**
 * A long-lived child process that is asked for measurements, so that none is started for a sample.
 *
 * A request is one line: the question, a random token, arguments. The answer is any text, and then the token alone in a
 * line: no text of an answer can know it. One request at a time. The program is started by the first one, waits for the
 * next ones without using the processor, and ends when its input ends. When it dies, does not answer in time, or says
 * too much, it is killed, and is started again by a later request, after a pause that grows.
 */
export class SamplingProgram {
  readonly #options: SamplingProgramOptions;
  readonly #restarts: Backoff;
  /** By question. */
  readonly #pauses = new Map<string, { readonly backoff: Backoff; untilMs: number }>();
  #child: ChildProcess | undefined;
  #startedAtMs = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #pending: Pending | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #text = '';
  #isClosed = false;

  constructor(options: SamplingProgramOptions) {
    this.#options = options;
    this.#restarts = backoff(RESTART, options.random);
  }

  /** Whether a request is being answered, or waits. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** The process that runs now. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Asks when the requests before it are answered. `undefined`: there is no answer, or it is of no use. Never rejects. */
  ask<T>(request: Request<T>): Promise<T | undefined> {
    this.#waiting += 1;
    const answer = this.#turn.then(() => this.#exchange(request)).finally(() => (this.#waiting -= 1));
    this.#turn = answer;
    return answer;
  }

  close(): void {
    this.#isClosed = true;
    this.#kill();
    this.#settle(undefined);
  }

  #exchange<T>({ ask, args = '', parse }: Request<T>): Promise<T | undefined> {
    const { clock, patienceMs = PATIENCE_MS } = this.#options;
    const child = this.#mayAsk(ask) ? (this.#child ?? this.#start()) : undefined;
    if (child === undefined) return Promise.resolve(undefined);
    const token = randomBytes(12).toString('hex');
    return new Promise((resolve) => {
      const settle = (answer: string | undefined): boolean => {
        const parsed = answer === undefined ? undefined : attempt(() => parse(answer));
        resolve(parsed);
        return parsed !== undefined;
      };
      const timer = clock.setTimeout(() => this.#fail(), patienceMs);
      timer.unref();
      this.#pending = { ask, token, settle, timer };
      child.stdin?.write(`${[ask, token, args].join(' ').trimEnd()}\n`);
    });
  }

  #mayAsk(ask: string): boolean {
    const nowMs = this.#options.clock.monotonic();
    if (this.#isClosed || nowMs < (this.#pauses.get(ask)?.untilMs ?? Number.NEGATIVE_INFINITY)) return false;
    return this.#child !== undefined || nowMs >= this.#notBeforeMs;
  }

  #start(): ChildProcess | undefined {
    const { clock, command } = this.#options;
    this.#startedAtMs = clock.monotonic();
    try {
      const child = spawn(command.file, command.args, {
        // Not the agent's own folder, which may be on a file system that is to be unmounted.
        cwd: UNIX_LIKE ? '/' : undefined,
        env: { ...command.env },
        stdio: ['pipe', 'pipe', 'ignore'],
        // A group of its own, so that it is killed together with the tools that it runs.
        detached: UNIX_LIKE,
        windowsHide: true,
      });
      this.#child = child;
      this.#listen(child);
      return child;
    } catch {
      // Some faults, such as too little memory, are thrown.
      this.#pause();
      return undefined;
    }
  }

  #listen(child: ChildProcess): void {
    const failed = (): void => {
      if (this.#child === child) this.#fail();
    };
    child.on('error', failed);
    child.once('exit', failed);
    child.stdin?.on('error', () => undefined);
    child.stdout?.on('error', () => undefined);
    child.stdout?.on('data', (chunk: Buffer) => {
      if (this.#child === child) this.#take(chunk);
    });
    // It does not keep the agent running.
    child.unref();
    for (const stream of [child.stdin, child.stdout]) (stream as { unref?: () => void } | null)?.unref?.();
  }

  #take(chunk: Buffer): void {
    this.#text += chunk.toString('latin1');
    // Whoever speaks unasked is not the program that was meant.
    if (this.#pending === undefined || this.#text.length > MAX_BYTES) return this.#fail();
    if (chunk.at(-1) !== LINE_FEED) return;
    const answer = beforeToken(this.#text, this.#pending.token);
    if (answer === undefined) return;
    const { ask } = this.#pending;
    if (this.#settle(answer)) this.#pauses.delete(ask);
    else this.#fail(ask);
  }

  #fail(ask = this.#pending?.ask): void {
    const { clock, random } = this.#options;
    if (ask !== undefined) {
      const pause = this.#pauses.get(ask) ?? { backoff: backoff(ASK_AGAIN, random), untilMs: 0 };
      pause.untilMs = clock.monotonic() + pause.backoff.next(ASK_AGAIN.minMs);
      this.#pauses.set(ask, pause);
    }
    this.#kill();
    this.#pause();
    this.#settle(undefined);
  }

  #pause(): void {
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - this.#startedAtMs > STEADY_MS) this.#restarts.reset();
    this.#notBeforeMs = nowMs + this.#restarts.next(RESTART.minMs);
  }

  #settle(answer: string | undefined): boolean {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#text = '';
    this.#options.clock.clear(pending?.timer);
    return pending?.settle(answer) === true;
  }

  #kill(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.stdin?.destroy();
    child?.stdout?.destroy();
    if (child?.pid === undefined) return;
    try {
      if (UNIX_LIKE) process.kill(-child.pid, 'SIGKILL');
      else child.kill('SIGKILL');
    } catch {
      // It has ended already.
    }
  }
}

function backoff({ baseMs, capMs }: { baseMs: number; capMs: number }, random: (() => number) | undefined): Backoff {
  return fullJitter({ baseMs, capMs, ...(random === undefined ? {} : { random }) });
}

/** The text before the token, where that is alone in the last line. */
function beforeToken(text: string, token: string): string | undefined {
  const end = text.endsWith('\r\n') ? -2 : -1;
  const lines = text.slice(0, end);
  if (!lines.endsWith(token)) return undefined;
  const answer = lines.slice(0, -token.length);
  return answer === '' || answer.endsWith('\n') ? answer : undefined;
}

function attempt<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
