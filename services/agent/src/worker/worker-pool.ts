import { clipMessage, type ProgressBody, type WarningsBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { CourtesyPauses } from './courtesy-pauses.js';
import type { MachineLoad } from './machine-load.js';
import type { QueryFailure, QueryRequest, WorkerReply } from './messages.js';
import type { WorkerExit, WorkerProcess } from './worker-process.js';
import type { WorkerProcesses } from './worker-processes.js';

/** How a statement ended: with its complete answer or with none. */
export type WorkerOutcome =
  | {
      readonly kind: 'answer';
      readonly chunks: readonly Uint8Array[];
      readonly bytes: number;
      readonly columns: readonly string[];
      readonly warnings: WarningsBody['warnings'];
    }
  /** `failure` says why; the statement did not end its worker. */
  | { readonly kind: 'failed'; readonly failure: QueryFailure }
  /** The statement itself ended its worker; `how` is the signal or exit code. */
  | { readonly kind: 'crashed'; readonly how: string };

export interface WorkerPoolOptions {
  readonly processes: WorkerProcesses;
  /** Statements that run at the same time. */
  readonly workers: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** While it says so, statements of low priority stand still. Absent: they never do. */
  readonly load?: MachineLoad;
  /** A place is free, or it is known that there will be none ({@link WorkerPool.fault}). */
  readonly onRoom: () => void;
}

/** A running statement. */
export interface WorkerTask {
  /** Stops it; `onOutcome` is not called any more. Returns the path at which it hangs, if it does. */
  kill(): string | undefined;
  /** How far it is; `undefined` before it has begun and after its end. */
  progress(): ProgressBody | undefined;
}

/** The engine ends a statement when its time is over. It cannot while a collector is stuck in a system call. */
const GRACE_MS = 1_000;
/** One of low priority gets less of a busy machine. */
const LOW_GRACE_MS = 5_000;
const START_TIMEOUT_MS = 20_000;
/** Signals by which the kernel ends a program for what it did. All others come from somebody else, such as the OOM killer. */
const FAULTS: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSEGV',
  'SIGSYS',
  'SIGTRAP',
]);

/** Runs statements in worker processes, so that none can block the session or end the agent. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #running = new Set<RunningStatement>();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    options.processes.onChange(() => options.onRoom());
  }

  get hasRoom(): boolean {
    return this.#running.size < this.#options.workers && this.#options.processes.hasRoom;
  }

  /** Why no statement can run for an unknown time, or `undefined`. */
  get fault(): string | undefined {
    return this.#options.processes.fault;
  }

  /** Runs one statement. Call only when there is room. */
  run(query: QueryRequest, onOutcome: (outcome: WorkerOutcome) => void): WorkerTask {
    const running: RunningStatement = new RunningStatement(query, this.#options, (outcome) => {
      this.#running.delete(running);
      onOutcome(outcome);
      this.#options.onRoom();
    });
    this.#running.add(running);
    return {
      kill: () => {
        if (!this.#running.delete(running)) return undefined;
        const path = running.abandon();
        this.#options.onRoom();
        return path;
      },
      progress: () => (this.#running.has(running) ? running.progress() : undefined),
    };
  }
}

/** One statement in its process, until it has its outcome or is killed. */
class RunningStatement {
  readonly #options: WorkerPoolOptions;
  readonly #budgetMs: number;
  readonly #untilMs: number;
  readonly #isLow: boolean;
  readonly #onOutcome: (outcome: WorkerOutcome) => void;
  readonly #worker: WorkerProcess;
  readonly #chunks: Uint8Array[] = [];
  #bytes = 0;
  #startedMs: number | undefined;
  #timer: Timer | undefined;
  #pauses: CourtesyPauses | undefined;

  constructor(query: QueryRequest, options: WorkerPoolOptions, onOutcome: (outcome: WorkerOutcome) => void) {
    this.#options = options;
    this.#budgetMs = query.budget.ms;
    this.#untilMs = query.untilMs ?? Infinity;
    this.#isLow = query.budget.priority === 'low';
    this.#onOutcome = onOutcome;
    this.#worker = options.processes.take();
    this.#worker.use({ onMessage: (reply) => this.#onReply(reply), onExit: (exit) => this.#onExit(exit) });
    this.#arm(START_TIMEOUT_MS, () => this.#giveUp(() => notStarted(`it did not within ${START_TIMEOUT_MS} ms`)));
    this.#worker.send({ t: 'query', query, hung: options.processes.hung });
  }

  /** Ends it without an outcome. Returns the path at which it hangs, if it does. */
  abandon(): string | undefined {
    this.#options.clock.clear(this.#timer);
    // Before it is told to go on: it may stand still.
    const path = this.#startedMs !== undefined ? this.#worker.hangsAt() : undefined;
    this.#pauses?.stop();
    this.#options.processes.abandon(this.#worker, { path });
    return path;
  }

  progress(): ProgressBody | undefined {
    if (this.#startedMs === undefined) return undefined;
    const spentMs = Math.round(this.#options.clock.monotonic() - this.#startedMs);
    const pausedMs = Math.min(spentMs, Math.round(this.#pauses?.pausedMs ?? 0));
    return { spentMs, pausedMs, paused: this.#pauses?.isPaused ?? false, looked: this.#worker.looked() };
  }

  #onReply(reply: WorkerReply): void {
    switch (reply.t) {
      case 'started':
        this.#startedMs = this.#options.clock.monotonic();
        if (this.#isLow) this.#pauses = this.#startPauses();
        return this.#arm(Math.max(1, Math.min(this.#budgetMs, this.#untilMs - this.#options.clock.now())), () => {
          // One that stands still, or waits for others, could not say what it has found.
          this.#pauses?.stop();
          if (this.#isLow) this.#worker.raisePriority();
          this.#arm(this.#isLow ? LOW_GRACE_MS : GRACE_MS, () => this.#giveUp((path) => this.#overTime(path)));
        });
      case 'rows':
        this.#chunks.push(reply.rows);
        this.#bytes += reply.rows.length;
        return;
      case 'done':
        this.#pauses?.stop();
        // Its priority cannot be raised again.
        if (this.#isLow) this.#options.processes.abandon(this.#worker);
        else this.#options.processes.release(this.#worker);
        if (reply.failure !== undefined) return this.#settle(failed(this.#withPauses(reply.failure)));
        return this.#settle({
          kind: 'answer',
          chunks: this.#chunks,
          bytes: this.#bytes,
          columns: reply.columns,
          warnings: (reply.warnings ?? []).map((one) => this.#withPauses(one)),
        });
      default:
    }
  }

  #onExit(exit: WorkerExit): void {
    const how = describeExit(exit);
    const { logger } = this.#options;
    if (isOutOfMemory(exit)) {
      const message = 'the query needs more memory than it may have';
      return this.#settle(failed({ outcome: 'over_budget', code: 'over_memory', message }));
    }
    logger.error('query worker ended', {
      how,
      started: this.#startedMs !== undefined,
      stderr: exit.stderr.slice(-1_000),
    });
    if (this.#startedMs === undefined) return this.#settle(notStarted(`it ended: ${how}`));
    const isItsOwn = exit.signal === null ? exit.code !== null : FAULTS.has(exit.signal);
    if (isItsOwn) return this.#settle({ kind: 'crashed', how });
    const message = `the query worker was ended from outside by ${how}, as when the machine has no memory left; the query may run again`;
    this.#settle(failed({ outcome: 'error', code: 'worker_ended', message }));
  }

  #giveUp(outcome: (path: string | undefined) => WorkerOutcome): void {
    this.#settle(outcome(this.abandon()));
  }

  #startPauses(): CourtesyPauses | undefined {
    const { load, clock } = this.#options;
    return load === undefined ? undefined : new CourtesyPauses({ worker: this.#worker, load, clock });
  }

  /** Where the time was used up, how much of it was spent waiting for others. */
  #withPauses<T extends { readonly code: string; readonly message: string }>(said: T): T {
    const pausedS = Math.round((this.#pauses?.pausedMs ?? 0) / 1_000);
    if (said.code !== 'over_time' || pausedS === 0) return said;
    const why = `it stood still for ${pausedS} s, while the machine was busy or on battery`;
    return { ...said, message: clipMessage(`${said.message}; ${why}`) };
  }

  #overTime(path: string | undefined): WorkerOutcome {
    if (path !== undefined) {
      const message = `${hangs(path)}; the statement was given up after ${this.#budgetMs} ms`;
      return failed({ outcome: 'over_budget', code: 'hung_file_system', message });
    }
    const message = `the statement ran longer than ${this.#budgetMs} ms and had to be ended from outside`;
    return failed({ outcome: 'over_budget', code: 'over_time', message });
  }

  #settle(outcome: WorkerOutcome): void {
    this.#options.clock.clear(this.#timer);
    this.#onOutcome(outcome);
  }

  #arm(delayMs: number, run: () => void): void {
    const { clock } = this.#options;
    clock.clear(this.#timer);
    this.#timer = clock.setTimeout(run, delayMs);
    this.#timer.unref();
  }
}

/** For people: where a statement hangs. */
export function hangs(path: string): string {
  return `it hangs at ${path}, whose file system does not answer`;
}

function failed(failure: QueryFailure): WorkerOutcome {
  return { kind: 'failed', failure: { ...failure, message: clipMessage(failure.message) } };
}

function notStarted(why: string): WorkerOutcome {
  const message = `the query worker did not start: ${why}; the query did not run`;
  return failed({ outcome: 'error', code: 'worker_failed', message });
}

function describeExit({ code, signal, error }: WorkerExit): string {
  return error?.message ?? signal ?? `exit code ${code}`;
}

/** V8 prints this and aborts when its heap is full. */
function isOutOfMemory({ stderr }: WorkerExit): boolean {
  return /FATAL ERROR: .*(heap out of memory|heap limit)/.test(stderr);
}
