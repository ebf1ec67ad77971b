import { encodeScanRow, LIMITS, type CheckOutcome } from '@muster/protocol';
import type { JudgedCheck } from '@muster/packs/verdict';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import type { ChecksRequest, WorkerReply } from './messages.js';
import { USED_UP } from './run-checks.js';
import type { WorkerExit, WorkerProcess } from './worker-process.js';
import type { WorkerProcesses } from './worker-processes.js';
import { hangs } from './worker-pool.js';

export interface CheckRunOptions extends Pick<ChecksRequest, 'about' | 'traffic' | 'events'> {
  readonly checks: readonly JudgedCheck[];
  readonly budgetMs: number;
  readonly checkMs: number;
  readonly processes: WorkerProcesses;
  readonly clock: Clock;
  readonly logger: Logger;
}

const GRACE_MS = 1_000;
const START_TIMEOUT_MS = 20_000;
/** Checks that end their worker, or hang in it. After so many the rest does not run. */
const MAX_RESTARTS = 3;

/**
 * The checks of one pack in a worker process of their own. There is an outcome of each check, whatever becomes of the
 * process: a check that ends it or hangs in it has an outcome that says so, and the next one runs in another process.
 */
export class CheckRun {
  readonly #options: CheckRunOptions;
  readonly #onRows: (rows: readonly Uint8Array[]) => void;
  readonly #rows: Uint8Array[] = [];
  readonly #untilMs: number;
  #evidenceChars: number = LIMITS.scanEvidenceChars;
  #restarts = 0;
  #worker: WorkerProcess | undefined;
  #timer: Timer | undefined;

  /** `onRows` is called once, later, unless it is killed. Call only when there is room for a process. */
  constructor(options: CheckRunOptions, onRows: (rows: readonly Uint8Array[]) => void) {
    this.#options = options;
    this.#onRows = onRows;
    this.#untilMs = options.clock.monotonic() + options.budgetMs;
    this.#start();
  }

  /** Stops it; `onRows` is not called any more. Returns the path at which it hangs, if it does. */
  kill(): string | undefined {
    return this.#abandon();
  }

  #start(): void {
    const { processes, clock, checks, checkMs, about, traffic, events } = this.#options;
    const worker = processes.take();
    this.#worker = worker;
    worker.use({ onMessage: (reply) => this.#onReply(reply), onExit: (exit) => this.#onExit(exit) });
    this.#arm(START_TIMEOUT_MS, () => this.#lost('error', `the worker did not start within ${START_TIMEOUT_MS} ms`));
    const scan: ChecksRequest = {
      ...{ checks, from: this.#rows.length, budgetMs: Math.max(0, this.#untilMs - clock.monotonic()), checkMs },
      evidenceChars: this.#evidenceChars,
      ...(about === undefined ? {} : { about }),
      ...(traffic === undefined ? {} : { traffic }),
      ...(events === undefined ? {} : { events }),
    };
    worker.send({ t: 'checks', scan, hung: processes.hung });
  }

  #onReply(reply: WorkerReply): void {
    switch (reply.t) {
      case 'started':
        return this.#armCheck();
      case 'rows':
        this.#rows.push(reply.rows);
        this.#evidenceChars = Math.max(0, this.#evidenceChars - reply.rows.length);
        return this.#armCheck();
      case 'done':
        // Its priority cannot be raised again, so no query gets this process.
        this.#abandon();
        return this.#onRows(this.#rows);
      default:
    }
  }

  #onExit({ code, signal, error }: WorkerExit): void {
    this.#worker = undefined;
    this.#lost('error', `it ended its worker: ${error?.message ?? signal ?? `exit code ${code}`}`);
  }

  #armCheck(): void {
    const ms = this.#options.checkMs + GRACE_MS;
    this.#arm(ms, () => {
      const path = this.#abandon();
      this.#lost('over_budget', path === undefined ? `it took longer than ${ms} ms` : hangs(path));
    });
  }

  /** The check that ran has this outcome; the next one runs in another process, if there may be one. */
  #lost(outcome: CheckOutcome, reason: string): void {
    const { checks, clock, logger, processes } = this.#options;
    this.#abandon();
    logger.warn('a check ended its worker', { check: checks[this.#rows.length]?.id, reason });
    if (this.#rows.length < checks.length) this.#add(outcome, reason);
    this.#restarts += 1;
    const isLeft = this.#rows.length < checks.length;
    if (isLeft && this.#restarts <= MAX_RESTARTS && clock.monotonic() < this.#untilMs && processes.hasRoom)
      return this.#start();
    const why =
      clock.monotonic() < this.#untilMs ? 'earlier checks ended their workers; the rest did not run' : USED_UP;
    while (this.#rows.length < checks.length) this.#add('over_budget', why);
    this.#onRows(this.#rows);
  }

  #add(outcome: CheckOutcome, reason: string): void {
    this.#rows.push(encodeScanRow({ check: this.#rows.length, outcome, reason, evidence: null }));
  }

  #abandon(): string | undefined {
    const { clock, processes } = this.#options;
    clock.clear(this.#timer);
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return undefined;
    const path = worker.hangsAt();
    processes.abandon(worker, { path });
    return path;
  }

  #arm(delayMs: number, run: () => void): void {
    const { clock } = this.#options;
    clock.clear(this.#timer);
    this.#timer = clock.setTimeout(run, delayMs);
    this.#timer.unref();
  }
}
