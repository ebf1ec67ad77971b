import { type Budget, clipMessage, LIMITS } from '@muster/protocol';
import type { QueryFailure } from '../../worker/messages.js';
import type { TrafficRow } from '../../traffic/traffic-meter.js';
import type { WorkerOutcome, WorkerPool, WorkerTask } from '../../worker/worker-pool.js';
import type { QueryDenylist, RunningRecord } from './query-denylist.js';

export interface Job {
  readonly id: string;
  readonly sql: string;
  readonly columns: readonly string[];
  readonly budget: Budget;
}

/** A complete answer in memory. `release` frees its memory budget, once it is sent or dropped. */
export interface Answer {
  readonly chunks: readonly Uint8Array[];
  release(): void;
}

export type JobResult =
  { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly failure: QueryFailure };

export interface JobHandle {
  /** Removes the job from the queue or ends its statement; no result follows. Does nothing after the result. */
  cancel(): void;
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
  record: RunningRecord | undefined;
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
    if (this.#queue.length >= (this.#options.maxQueued ?? MAX_QUEUED) || this.#stopped) {
      const message = `${this.#running.size} queries run on this endpoint and ${this.#queue.length} wait`;
      return { outcome: 'refused', code: 'busy', message };
    }
    const entry: Entry = { job, onResult, task: undefined, record: undefined };
    this.#queue.push(entry);
    this.#pump();
    return { cancel: () => this.#cancel(entry) };
  }

  /** Cancels everything and removes the records. `stuck` counts the threads that could not be ended. */
  stop(signal?: AbortSignal): Promise<{ readonly stuck: number }> {
    this.#stopped = true;
    this.#queue.length = 0;
    for (const entry of this.#running) this.#cancel(entry);
    return this.#pool.stop(signal);
  }

  #pump(): void {
    const maxHeldBytes = this.#options.maxHeldBytes ?? MAX_HELD_BYTES;
    while (this.#queue.length > 0 && this.#pool.hasRoom && this.#heldBytes < maxHeldBytes) {
      const entry = this.#queue.shift();
      if (entry !== undefined) this.#start(entry);
    }
  }

  #start(entry: Entry): void {
    const { id, sql, columns, budget } = entry.job;
    const { maxBudget, denylist, traffic } = this.#options;
    this.#running.add(entry);
    entry.record = denylist.begin(id, sql);
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
    if (outcome.kind === 'crashed') this.#options.denylist.crashed(entry.job.sql);
    entry.record?.end();
    entry.onResult(this.#resultOf(outcome));
  }

  #resultOf(outcome: WorkerOutcome): JobResult {
    switch (outcome.kind) {
      case 'answer':
        return { ok: true, answer: this.#hold(outcome.chunks, outcome.bytes) };
      case 'failed':
        return { ok: false, failure: outcome.failure };
      case 'crashed':
        return {
          ok: false,
          failure: { outcome: 'error', code: 'worker_crashed', message: clipMessage(outcome.message) },
        };
    }
  }

  #hold(chunks: readonly Uint8Array[], bytes: number): Answer {
    this.#heldBytes += bytes;
    let held = true;
    return {
      chunks,
      release: () => {
        if (!held) return;
        held = false;
        this.#heldBytes -= bytes;
        this.#pump();
      },
    };
  }

  #cancel(entry: Entry): void {
    const at = this.#queue.indexOf(entry);
    if (at >= 0) this.#queue.splice(at, 1);
    if (!this.#running.delete(entry)) return;
    entry.task?.kill();
    entry.record?.end();
  }
}
