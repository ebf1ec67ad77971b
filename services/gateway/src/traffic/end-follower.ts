import { once } from 'node:events';
import { sleep, type Clock, type Logger } from '@muster/runtime';
import { readLines } from './read-lines.js';
import { parseSocketLine, type SocketLine } from './ss-line.js';
import { followsSockets, killChild, spawnFollower, type SsChild, type SsPrograms } from './ss-programs.js';

export interface EndFollowerOptions {
  readonly programs: SsPrograms;
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A socket of the port is no more; these are its last figures. */
  readonly ended: (socket: SocketLine) => void;
  /** From now on `ended` is called for every end. */
  readonly following: () => void;
  /** Some ends may not have been reported. */
  readonly missed: () => void;
}

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 300_000;
/** A child that ran for so long was healthy: the next retry comes soon. */
const HEALTHY_MS = 60_000;
const LOOK_MS = 5;
const READY_WITHIN_MS = 2_000;

/** Keeps a child process running that reports the end of each socket. */
export class EndFollower {
  readonly #options: EndFollowerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #child: SsChild | undefined;

  constructor(options: EndFollowerOptions) {
    this.#options = options;
  }

  /** Resolves when the first child follows sockets, or has failed. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#running = this.#keep(resolve);
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#child !== undefined) killChild(this.#child);
    await this.#running;
  }

  async #keep(firstIsKnown: () => void): Promise<void> {
    const { clock, logger, missed } = this.#options;
    const { signal } = this.#stopping;
    let delayMs = RETRY_MIN_MS;
    while (!signal.aborted) {
      const startedAtMs = clock.monotonic();
      const why = await this.#run(firstIsKnown).catch((error: unknown) => String(error));
      firstIsKnown();
      if (signal.aborted) return;
      missed();
      if (clock.monotonic() - startedAtMs >= HEALTHY_MS) delayMs = RETRY_MIN_MS;
      logger.warn('the program that reports the end of sockets ended', { why, againInMs: delayMs });
      await sleep(clock, delayMs, signal);
      delayMs = Math.min(2 * delayMs, RETRY_MAX_MS);
    }
  }

  /** Runs one child; resolves to the reason of its end, as far as it is known. */
  async #run(follows: () => void): Promise<string> {
    const { programs, port, ended, following, missed } = this.#options;
    const child = spawnFollower(programs, port);
    this.#child = child;
    let lastError = '';
    child.on('error', (error) => {
      lastError = error.message;
    });
    const closed = once(child, 'close').catch(() => undefined);
    const onLine = (line: string): void => {
      const socket = parseSocketLine(line);
      if (socket !== undefined) ended(socket);
    };
    const complaints = readLines(child.stderr, (line) => {
      lastError = line.slice(0, 200);
      // The child goes on after that: the kernel had more events than its buffer holds.
      if (/no buffer space/i.test(line)) missed();
    });
    const output = readLines(child.stdout, onLine).catch((error: unknown) => {
      lastError = String(error);
      killChild(child);
    });
    if (child.pid !== undefined && (await this.#becomesReady(child))) {
      following();
      follows();
    }
    await Promise.all([closed, output, complaints.catch(() => undefined)]);
    return lastError === '' ? `code ${child.exitCode ?? child.signalCode ?? 'unknown'}` : lastError;
  }

  async #becomesReady(child: SsChild): Promise<boolean> {
    const { clock } = this.#options;
    const untilMs = clock.monotonic() + READY_WITHIN_MS;
    while (
      clock.monotonic() < untilMs &&
      child.exitCode === null &&
      child.signalCode === null &&
      !this.#stopping.signal.aborted
    ) {
      if (followsSockets(child.pid ?? 0)) return true;
      await sleep(clock, LOOK_MS, this.#stopping.signal);
    }
    return false;
  }
}
