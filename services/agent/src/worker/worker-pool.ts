import { Worker } from 'node:worker_threads';
import { type Clock, type Logger, sleep, type Timer } from '@muster/runtime/program';
import type { WorkerEntry } from '../host/program-files.js';
import { isErrno } from '../store/atomic-file.js';
import type { QueryFailure, WorkerReply, WorkerRequest } from './messages.js';

/** How a statement ended: with its complete answer or with none. */
export type WorkerOutcome =
  | {
      readonly kind: 'answer';
      readonly chunks: readonly Uint8Array[];
      readonly bytes: number;
      readonly columns: readonly string[];
    }
  | { readonly kind: 'failed'; readonly failure: QueryFailure }
  /** The worker crashed. */
  | { readonly kind: 'crashed'; readonly message: string };

export interface WorkerPoolOptions {
  readonly entry: WorkerEntry;
  /** The threads' environment: what collectors need to start the system's programs, and no secret. */
  readonly env: Readonly<Record<string, string>>;
  readonly workers: number;
  /** A worker that is idle for this long is ended; it needs tens of megabytes. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A worker is free again. */
  readonly onRoom: () => void;
}

/** A running statement. */
export interface WorkerTask {
  /** Stops it; `onOutcome` is not called any more. */
  kill(): void;
}

// A thread's heap; SQLite's own memory is bounded by the engine. Enough for a table of a hundred thousand rows.
const RESOURCE_LIMITS = { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 16, stackSizeMb: 4 };
/** The engine ends a statement when its time is over. It cannot while a collector is stuck in a system call. */
const GRACE_MS = 1_000;
const START_TIMEOUT_MS = 20_000;
const STOP_MS = 2_000;

/**
 * Threads that run statements, so that no statement can block the session. They are started on demand and ended when
 * they misbehave or are idle.
 */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #hosts = new Set<WorkerHost>();

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
  }

  /** The number of threads, including stuck ones. */
  get size(): number {
    return this.#hosts.size;
  }

  get hasRoom(): boolean {
    return this.#hosts.size < this.#options.workers || this.#idleHost() !== undefined;
  }

  /** Runs one statement. Call only when there is room. */
  run(request: WorkerRequest, onOutcome: (outcome: WorkerOutcome) => void): WorkerTask {
    const host = this.#idleHost() ?? this.#startHost();
    return host.run(request, onOutcome);
  }

  /**
   * Ends all threads and waits up to two seconds. Threads that are left hang in a system call (for example of a dead
   * network file system). `process.exit` would wait for them forever, so the caller must end the process by force.
   */
  async stop(signal?: AbortSignal): Promise<{ readonly stuck: number }> {
    const patience = new AbortController();
    const gone = Promise.all([...this.#hosts].map((host) => host.end())).finally(() => patience.abort());
    const signals = signal === undefined ? [patience.signal] : [patience.signal, signal];
    await Promise.race([gone, sleep(this.#options.clock, STOP_MS, AbortSignal.any(signals))]);
    return { stuck: this.#hosts.size };
  }

  #idleHost(): WorkerHost | undefined {
    for (const host of this.#hosts) if (host.idle) return host;
    return undefined;
  }

  #startHost(): WorkerHost {
    const host: WorkerHost = new WorkerHost(this.#options, {
      onIdle: () => this.#options.onRoom(),
      onExit: () => {
        this.#hosts.delete(host);
        this.#options.onRoom();
      },
    });
    this.#hosts.add(host);
    return host;
  }
}

interface Running {
  readonly budgetMs: number;
  readonly chunks: Uint8Array[];
  bytes: number;
  readonly onOutcome: (outcome: WorkerOutcome) => void;
}

/**
 *  idle ──run──▶ running ──done──▶ idle          any ──kill, crash, end──▶ ending ──exit──▶ gone
 *
 * A thread that is stuck in a system call stays in `ending` and keeps its place in the pool, so that stuck threads are
 * bounded.
 */
class WorkerHost {
  readonly #options: WorkerPoolOptions;
  readonly #events: { onIdle(): void; onExit(): void };
  readonly #worker: Worker;
  #running: Running | undefined;
  #ending = false;
  #timer: Timer | undefined;

  constructor(options: WorkerPoolOptions, events: { onIdle(): void; onExit(): void }) {
    this.#options = options;
    this.#events = events;
    const { entry } = options;
    this.#worker = new Worker(entry instanceof URL ? entry : entry.code, {
      eval: !(entry instanceof URL),
      env: { ...options.env },
      resourceLimits: RESOURCE_LIMITS,
      name: 'query',
    });
    this.#worker.on('message', (reply: WorkerReply) => this.#onReply(reply));
    this.#worker.on('error', (error) => this.#onError(error));
    this.#worker.on('exit', (code) => this.#onExit(code));
    this.#worker.unref();
  }

  get idle(): boolean {
    return this.#running === undefined && !this.#ending;
  }

  run(request: WorkerRequest, onOutcome: (outcome: WorkerOutcome) => void): WorkerTask {
    const running: Running = { budgetMs: request.budget.ms, chunks: [], bytes: 0, onOutcome };
    this.#running = running;
    this.#arm(START_TIMEOUT_MS, () =>
      this.#settleAndEnd({ kind: 'crashed', message: 'the query worker did not start' }),
    );
    this.#worker.postMessage(request);
    return {
      kill: () => {
        if (this.#running !== running) return;
        this.#running = undefined;
        void this.end();
      },
    };
  }

  async end(): Promise<void> {
    this.#ending = true;
    this.#options.clock.clear(this.#timer);
    await this.#worker.terminate();
  }

  #onReply(reply: WorkerReply): void {
    const running = this.#running;
    if (running === undefined) return;
    switch (reply.t) {
      case 'started':
        return this.#arm(running.budgetMs + GRACE_MS, () => this.#settleAndEnd(overTime(running.budgetMs)));
      case 'rows':
        running.chunks.push(reply.rows);
        running.bytes += reply.rows.length;
        return;
      case 'done':
        this.#settle(outcomeOf(reply, running));
        this.#arm(this.#options.idleMs, () => void this.end());
        this.#events.onIdle();
    }
  }

  #onError(error: unknown): void {
    if (isErrno(error, 'ERR_WORKER_OUT_OF_MEMORY')) {
      const message = 'the query needs more memory than it may have';
      this.#settle({ kind: 'failed', failure: { outcome: 'over_budget', code: 'over_memory', message } });
      return;
    }
    this.#options.logger.error('query worker crashed', { err: error });
    this.#settle({ kind: 'crashed', message: error instanceof Error ? error.message : String(error) });
  }

  #onExit(code: number): void {
    this.#options.clock.clear(this.#timer);
    this.#settle({ kind: 'crashed', message: `the query worker ended with code ${code}` });
    this.#ending = true;
    this.#events.onExit();
  }

  #settleAndEnd(outcome: WorkerOutcome): void {
    this.#settle(outcome);
    void this.end();
  }

  #settle(outcome: WorkerOutcome): void {
    const running = this.#running;
    this.#running = undefined;
    running?.onOutcome(outcome);
  }

  #arm(delayMs: number, run: () => void): void {
    const { clock } = this.#options;
    clock.clear(this.#timer);
    this.#timer = clock.setTimeout(run, delayMs);
    this.#timer.unref();
  }
}

function outcomeOf(reply: Extract<WorkerReply, { t: 'done' }>, running: Running): WorkerOutcome {
  if (reply.failure !== undefined) return { kind: 'failed', failure: reply.failure };
  return { kind: 'answer', chunks: running.chunks, bytes: running.bytes, columns: reply.columns };
}

function overTime(budgetMs: number): WorkerOutcome {
  const message = `the statement ran longer than ${budgetMs} ms and had to be ended from outside`;
  return { kind: 'failed', failure: { outcome: 'over_budget', code: 'over_time', message } };
}
