import { type Budget, clipMessage, LIMITS, type WarningsBody } from '@muster/protocol';
import type { QueryFailure } from '../../worker/messages.js';
import type { TrafficRow } from '../../traffic/traffic-meter.js';
import type { WorkerOutcome, WorkerPool, WorkerTask } from '../../worker/worker-pool.js';
import type { QueryDenylist } from './query-denylist.js';

export interface Job {
  readonly id: string;
  readonly sql: string;
  readonly columns: readonly string[];
  readonly budget: Budget;
}

/** A complete answer in memory. `release` frees its memory budget, once it is sent or dropped. */
export interface Answer {
  readonly chunks: readonly Uint8Array[];
  readonly warnings: WarningsBody['warnings'];
  release(): void;
}

export type JobResult =
  { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly failure: QueryFailure };

export interface JobHandle {
  /**
   * Removes the job from the queue or ends its statement; no result follows. Does nothing after the result. Returns the
   * path at which the statement hangs, if it does.
   */
  cancel(): string | undefined;
}

export interface QueryRunnerOptions {
  readonly denylist: QueryDenylist;
  readonly createPool: (onRoom: () => void) => WorkerPool;
  /** Upper bound for the budget of each query. */
  readonly maxBudget: Budget;
  /** The agent's traffic, for the table `agent_traffic`. */
  readonly traffic?: () => readonly TrafficRow[];
  readonly maxQueued?: number;
  /** No statement starts while answers of this size are held in memory. */
  readonly maxHeldBytes?: number;
}

interface Entry {
  readonly job: Job;
  readonly onResult: (result: JobResult) => void;
  task: WorkerTask | undefined;
}

const MAX_QUEUED = 16;
const MAX_HELD_BYTES = 8 * 1024 * 1024;

/**
 * Runs a few queries at a time; the others wait in the order in which they came. An answer is complete before the first
 * row is sent: an answer over budget contributes no rows anyway, and no statement keeps its tables open while a slow
 * gateway gives credit.
 */
export class QueryRunner {
  readonly #options: QueryRunnerOptions;
  readonly #pool: WorkerPool;
  readonly #queue: Entry[] = [];
  readonly #running = new Set<Entry>();
  #heldBytes = 0;
  #stopped = false;

  constructor(options: QueryRunnerOptions) {
    this.#options = options;
    this.#pool = options.createPool(() => this.#pump());
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Takes a job, or returns why not. `onResult` is called once, later, unless the job is refused or cancelled. */
  submit(job: Job, onResult: (result: JobResult) => void): JobHandle | QueryFailure {
    const denial = this.#options.denylist.denial(job.sql);
    if (denial !== undefined) return { outcome: 'refused', code: 'crashed_before', message: clipMessage(denial) };
    const fault = this.#pool.fault;
    if (fault !== undefined) return workersStuck(fault);
    if (this.#queue.length >= (this.#options.maxQueued ?? MAX_QUEUED) || this.#stopped) {
      const message = `${this.#running.size} queries run on this endpoint and ${this.#queue.length} wait`;
      return { outcome: 'refused', code: 'busy', message };
    }
    const entry: Entry = { job, onResult, task: undefined };
    this.#queue.push(entry);
    this.#pump();
    return { cancel: () => this.#cancel(entry) };
  }

  /** Cancels everything. */
  stop(): void {
    this.#stopped = true;
    this.#queue.length = 0;
    for (const entry of this.#running) this.#cancel(entry);
  }

  #pump(): void {
    const fault = this.#pool.fault;
    // No place becomes free in a time that is known: those that wait are told at once.
    if (fault !== undefined)
      for (const entry of this.#queue.splice(0)) entry.onResult({ ok: false, failure: workersStuck(fault) });
    const maxHeldBytes = this.#options.maxHeldBytes ?? MAX_HELD_BYTES;
    while (this.#queue.length > 0 && this.#pool.hasRoom && this.#heldBytes < maxHeldBytes) {
      const entry = this.#queue.shift();
      if (entry !== undefined) this.#start(entry);
    }
  }

  #start(entry: Entry): void {
    const { sql, columns, budget } = entry.job;
    const { maxBudget, traffic } = this.#options;
    this.#running.add(entry);
    const clamped = {
      ms: Math.min(budget.ms, maxBudget.ms),
      rows: Math.min(budget.rows, maxBudget.rows),
      bytes: Math.min(budget.bytes, maxBudget.bytes),
    };
    const request = { sql, columns, budget: clamped, chunkBytes: LIMITS.chunkBytes, traffic: traffic?.() ?? [] };
    entry.task = this.#pool.run(request, (outcome) => this.#settle(entry, outcome));
  }

  #settle(entry: Entry, outcome: WorkerOutcome): void {
    this.#running.delete(entry);
    entry.onResult(this.#resultOf(entry.job, outcome));
  }

  #resultOf({ sql }: Job, outcome: WorkerOutcome): JobResult {
    switch (outcome.kind) {
      case 'answer':
        return { ok: true, answer: this.#hold(outcome) };
      case 'failed':
        return { ok: false, failure: outcome.failure };
      case 'crashed': {
        const message = clipMessage(this.#options.denylist.crashed(sql, outcome.how));
        return { ok: false, failure: { outcome: 'error', code: 'worker_crashed', message } };
      }
    }
  }

  #hold({ chunks, bytes, warnings }: Extract<WorkerOutcome, { kind: 'answer' }>): Answer {
    this.#heldBytes += bytes;
    let held = true;
    return {
      chunks,
      warnings,
      release: () => {
        if (!held) return;
        held = false;
        this.#heldBytes -= bytes;
        this.#pump();
      },
    };
  }

  #cancel(entry: Entry): string | undefined {
    const at = this.#queue.indexOf(entry);
    if (at >= 0) this.#queue.splice(at, 1);
    return this.#running.delete(entry) ? entry.task?.kill() : undefined;
  }
}

function workersStuck(fault: string): QueryFailure {
  return { outcome: 'refused', code: 'workers_stuck', message: clipMessage(fault) };
}
