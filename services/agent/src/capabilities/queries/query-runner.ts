import { type Budget, clipMessage, LIMITS } from '@muster/protocol';
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

/** A whole answer in memory. `release` gives its room back, once it is sent or dropped. */
export interface Answer {
  readonly chunks: readonly Uint8Array[];
  release(): void;
}

export type JobResult =
  { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly failure: QueryFailure };

export interface JobHandle {
  /** Takes the job out of the queue or ends its statement; no result follows. Does nothing afterwards. */
  cancel(): void;
}

export interface QueryRunnerOptions {
  readonly denylist: QueryDenylist;
  readonly createPool: (onRoom: () => void) => WorkerPool;
  /** The most that a query may spend here, whatever it was given. */
  readonly maxBudget: Budget;
  /** What the agent has sent and received, for statements that ask. */
  readonly traffic?: () => readonly TrafficRow[];
  readonly maxQueued?: number;
  /** No statement starts while answers of this size wait to be sent. */
  readonly maxHeldBytes?: number;
}

interface Entry {
  readonly job: Job;
  readonly onResult: (result: JobResult) => void;
  task: WorkerTask | undefined;
  note: { end(): void } | undefined;
}

const MAX_QUEUED = 16;
const MAX_HELD_BYTES = 8 * 1024 * 1024;

/**
 * Runs queries, a few at a time and the others in the order they came. Answers are gathered whole before any of it is sent: one that turns
 * out over budget contributes no rows anyway, and no statement holds its tables open while a slow gateway hands out credit.
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

  /** Takes a job, or says why not: `onResult` is called once, later, unless the job was refused or is cancelled. */
  submit(job: Job, onResult: (result: JobResult) => void): JobHandle | QueryFailure {
    const denial = this.#options.denylist.denial(job.sql);
    if (denial !== undefined) return { outcome: 'refused', code: 'crashed_before', message: clipMessage(denial) };
    if (this.#queue.length >= (this.#options.maxQueued ?? MAX_QUEUED) || this.#stopped) {
      const message = `${this.#running.size} queries run on this endpoint and ${this.#queue.length} wait`;
      return { outcome: 'refused', code: 'busy', message };
    }
    const entry: Entry = { job, onResult, task: undefined, note: undefined };
    this.#queue.push(entry);
    this.#pump();
    return { cancel: () => this.#cancel(entry) };
  }

  /** Cancels everything; tells how many threads could not be ended. An orderly end leaves no note behind. */
  stop(signal?: AbortSignal): Promise<{ readonly stuck: number }> {
    this.#stopped = true;
    this.#queue.length = 0;
    for (const entry of [...this.#running]) this.#cancel(entry);
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
    entry.note = denylist.begin(id, sql);
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
    entry.note?.end();
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
    entry.note?.end();
  }
}
