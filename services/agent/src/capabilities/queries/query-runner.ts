import {
  type Budget,
  clipMessage,
  encodeCbor,
  LIMITS,
  type ProgressBody,
  type SqlParameter,
  type WarningsBody,
} from '@muster/protocol';
import type { Clock } from '@muster/runtime/program';
import { asksForEvents, type RecordedEvents } from '../../events/contract/recorded-events.js';
import type { QueryFailure, QueryRequest } from '../../worker/messages.js';
import type { TrafficRow } from '../../traffic/traffic-meter.js';
import type { WorkerOutcome, WorkerPool, WorkerTask } from '../../worker/worker-pool.js';
import type { QueryDenylist } from './query-denylist.js';

export interface Job {
  readonly id: string;
  readonly sql: string;
  readonly parameters?: readonly SqlParameter[] | undefined;
  readonly columns: readonly string[];
  readonly budget: Budget;
  /** When nobody waits for its answer any more, by the monotonic clock. */
  readonly untilMs: number;
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
  /** How far its statement is; `undefined` while it does not run. */
  progress(): ProgressBody | undefined;
}

export interface QueryRunnerOptions {
  readonly denylist: QueryDenylist;
  /** Pools for queries, and for those that are in no hurry. */
  readonly createPool: (kind: Priority, onRoom: () => void) => WorkerPool;
  readonly clock: Pick<Clock, 'monotonic' | 'now'>;
  /** Upper bound for the budget of each query. */
  readonly maxBudget: Budget;
  /** And for the time of one with low priority. */
  readonly maxLowMs: number;
  /** For the tables about this agent. */
  readonly about?: NonNullable<QueryRequest['about']>;
  /** The agent's traffic, for the table `agent_traffic`. */
  readonly traffic?: () => readonly TrafficRow[];
  /** What was recorded of the kernel's events. Absent: nothing is recorded. */
  readonly events?: () => RecordedEvents;
  readonly maxQueued?: number;
  /** No statement starts while answers of this size are held in memory. */
  readonly maxHeldBytes?: number;
}

export type Priority = 'normal' | 'low';

interface Lane {
  readonly pool: WorkerPool;
  readonly queue: Entry[];
}

interface Entry {
  readonly job: Job;
  readonly lane: Lane;
  readonly onResult: (result: JobResult) => void;
  task: WorkerTask | undefined;
}

const MAX_QUEUED = 16;
const MAX_HELD_BYTES = 8 * 1024 * 1024;
/**
 * So long before nobody waits for it any more a search of low priority ends, so that what it has found arrives; at most
 * this share of the time that is left.
 */
const SENDING_MS = 8_000;
const SENDING_SHARE = 1 / 3;

/**
 * Runs a few queries at a time; the others wait in the order in which they came. Those with low priority have a lane of their own, so that
 * a search of minutes holds up nobody. An answer is complete before the first
 * row is sent: an answer over budget contributes no rows anyway, and no statement keeps its tables open while a slow
 * gateway gives credit.
 */
export class QueryRunner {
  readonly #options: QueryRunnerOptions;
  readonly #lanes: Readonly<Record<Priority, Lane>>;
  readonly #running = new Set<Entry>();
  #heldBytes = 0;
  #stopped = false;

  constructor(options: QueryRunnerOptions) {
    this.#options = options;
    const lane = (kind: Priority): Lane => ({ pool: options.createPool(kind, () => this.#pump()), queue: [] });
    this.#lanes = { normal: lane('normal'), low: lane('low') };
  }

  get running(): number {
    return this.#running.size;
  }

  get queued(): number {
    return this.#lanes.normal.queue.length + this.#lanes.low.queue.length;
  }

  /** Takes a job, or returns why not. `onResult` is called once, later, unless the job is refused or cancelled. */
  submit(job: Job, onResult: (result: JobResult) => void): JobHandle | QueryFailure {
    const denial = this.#options.denylist.denial(statementOf(job));
    if (denial !== undefined) return { outcome: 'refused', code: 'crashed_before', message: clipMessage(denial) };
    const lane = this.#lanes[job.budget.priority ?? 'normal'];
    const fault = lane.pool.fault;
    if (fault !== undefined) return workersStuck(fault);
    if (lane.queue.length >= (this.#options.maxQueued ?? MAX_QUEUED) || this.#stopped) {
      const message = `${this.#running.size} queries run on this endpoint and ${lane.queue.length} wait`;
      return { outcome: 'refused', code: 'busy', message };
    }
    const entry: Entry = { job, lane, onResult, task: undefined };
    lane.queue.push(entry);
    this.#pump();
    return { cancel: () => this.#cancel(entry), progress: () => entry.task?.progress() };
  }

  /** Cancels everything. */
  stop(): void {
    this.#stopped = true;
    for (const { queue } of Object.values(this.#lanes)) queue.length = 0;
    for (const entry of this.#running) this.#cancel(entry);
  }

  #pump(): void {
    for (const lane of Object.values(this.#lanes)) this.#pumpLane(lane);
  }

  #pumpLane({ pool, queue }: Lane): void {
    const fault = pool.fault;
    // No place becomes free in a time that is known: those that wait are told at once.
    if (fault !== undefined)
      for (const entry of queue.splice(0)) entry.onResult({ ok: false, failure: workersStuck(fault) });
    const maxHeldBytes = this.#options.maxHeldBytes ?? MAX_HELD_BYTES;
    while (queue.length > 0 && pool.hasRoom && this.#heldBytes < maxHeldBytes) {
      const entry = queue.shift();
      if (entry !== undefined) this.#start(entry);
    }
  }

  #start(entry: Entry): void {
    const { sql, parameters = [], columns, budget } = entry.job;
    const { maxBudget, traffic, events, about = {} } = this.#options;
    this.#running.add(entry);
    const clamped: Budget = {
      ...(budget.priority === undefined ? {} : { priority: budget.priority }),
      ms: Math.min(budget.ms, budget.priority === 'low' ? this.#options.maxLowMs : maxBudget.ms),
      rows: Math.min(budget.rows, maxBudget.rows),
      bytes: Math.min(budget.bytes, maxBudget.bytes),
    };
    const request = {
      sql,
      parameters,
      columns,
      budget: clamped,
      chunkBytes: LIMITS.chunkBytes,
      ...(budget.priority === 'low' ? { untilMs: this.#sendingMs(entry.job) } : {}),
      about,
      traffic: traffic?.() ?? [],
      ...(events !== undefined && asksForEvents(sql) ? { events: events() } : {}),
    };
    entry.task = entry.lane.pool.run(request, (outcome) => this.#settle(entry, outcome));
  }

  /** When what it has found must be sent. */
  #sendingMs({ untilMs }: Job): number {
    const { clock } = this.#options;
    const leftMs = Math.max(0, untilMs - clock.monotonic());
    return clock.now() + leftMs - Math.min(SENDING_MS, leftMs * SENDING_SHARE);
  }

  #settle(entry: Entry, outcome: WorkerOutcome): void {
    this.#running.delete(entry);
    entry.onResult(this.#resultOf(entry.job, outcome));
  }

  #resultOf(job: Job, outcome: WorkerOutcome): JobResult {
    switch (outcome.kind) {
      case 'answer':
        return { ok: true, answer: this.#hold(outcome) };
      case 'failed':
        return { ok: false, failure: outcome.failure };
      case 'crashed': {
        const message = clipMessage(this.#options.denylist.crashed(statementOf(job), outcome.how));
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
    const { queue } = entry.lane;
    const at = queue.indexOf(entry);
    if (at >= 0) queue.splice(at, 1);
    return this.#running.delete(entry) ? entry.task?.kill() : undefined;
  }
}

/** What the denylist knows it by: the same statement with other values may be harmless. */
function statementOf({ sql, parameters = [] }: Job): string {
  return parameters.length === 0 ? sql : `${sql}\0${Buffer.from(encodeCbor(parameters)).toString('base64')}`;
}

function workersStuck(fault: string): QueryFailure {
  return { outcome: 'refused', code: 'workers_stuck', message: clipMessage(fault) };
}
