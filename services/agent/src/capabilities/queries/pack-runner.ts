import { clipMessage, type PackClaims, type PackTicket } from '@muster/protocol';
import type { JudgedCheck } from '@muster/packs/verdict';
import type { Clock, Logger } from '@muster/runtime/program';
import { asksForEvents, type RecordedEvents } from '../../events/contract/recorded-events.js';
import type { QueryFailure, QueryRequest } from '../../worker/messages.js';
import { CheckRun } from '../../worker/check-run.js';
import type { WorkerProcesses } from '../../worker/worker-processes.js';
import type { TrafficRow } from '../../traffic/traffic-meter.js';
import type { PackStore } from './pack-store.js';
import type { Answer, JobHandle, JobResult } from './query-runner.js';

/** Whose packs this endpoint runs. */
export interface PackTrust {
  verifyPack(
    ticket: PackTicket,
  ): { readonly ok: true; readonly claims: PackClaims } | { readonly ok: false; readonly message: string };
}

export interface PackRunnerOptions {
  readonly trust: PackTrust;
  readonly store: PackStore;
  readonly processes: WorkerProcesses;
  /** What one check may take. */
  readonly checkMs: number;
  readonly about?: NonNullable<QueryRequest['about']>;
  readonly traffic?: () => readonly TrafficRow[];
  readonly events?: () => RecordedEvents;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ScanJob {
  readonly ticket: PackTicket;
  readonly budgetMs: number;
  /** The checks are not here; {@link ScanHandle.deliver} brings them. */
  readonly onWanted: () => void;
  /** Called once, later, unless it is cancelled. */
  readonly onResult: (result: JobResult) => void;
}

export interface ScanHandle extends Pick<JobHandle, 'cancel'> {
  deliver(bytes: Uint8Array): void;
}

/** What one endpoint may spend on all checks of a pack, whatever is asked for. */
const MAX_BUDGET_MS = 120_000;
const MAX_QUEUED = 4;

/**
 *   submit ──▶ verified ──▶ (wanted ──deliver──▶) queued ──▶ running ──▶ result
 *
 * Runs packs that somebody vouched for, one at a time: a scan is in no hurry, and queries go on beside it.
 */
export class PackRunner {
  readonly #options: PackRunnerOptions;
  readonly #queue: Scan[] = [];
  #running: { readonly scan: Scan; readonly run: CheckRun } | undefined;

  constructor(options: PackRunnerOptions) {
    this.#options = options;
    options.processes.onChange(() => this.#pump());
  }

  submit(job: ScanJob): ScanHandle | QueryFailure {
    const { trust, store, processes } = this.#options;
    const verified = trust.verifyPack(job.ticket);
    if (!verified.ok) return { outcome: 'refused', code: 'pack_not_trusted', message: clipMessage(verified.message) };
    if (processes.fault !== undefined)
      return { outcome: 'refused', code: 'workers_stuck', message: clipMessage(processes.fault) };
    if (this.#queue.length >= MAX_QUEUED)
      return { outcome: 'refused', code: 'busy', message: `a scan runs on this endpoint and ${MAX_QUEUED} wait` };
    const scan: Scan = { job, claims: verified.claims, checks: store.get(verified.claims.hash), isOver: false };
    if (scan.checks === undefined) job.onWanted();
    else this.#enqueue(scan);
    return { cancel: () => this.#cancel(scan), deliver: (bytes) => this.#deliver(scan, bytes) };
  }

  stop(): void {
    this.#queue.length = 0;
    this.#running?.run.kill();
    this.#running = undefined;
  }

  #deliver(scan: Scan, bytes: Uint8Array): void {
    if (scan.isOver || scan.checks !== undefined) return;
    const { pack, version, hash } = scan.claims;
    scan.checks = bytes.length === 0 ? undefined : this.#options.store.put(hash, bytes);
    if (scan.checks !== undefined) return this.#enqueue(scan);
    const why = bytes.length === 0 ? 'the gateway cannot get them' : 'they are not those that were signed';
    this.#settle(scan, {
      ok: false,
      failure: { outcome: 'error', code: 'no_checks', message: `the checks of ${pack} ${version} are missing: ${why}` },
    });
  }

  #enqueue(scan: Scan): void {
    if (scan.checks?.length !== scan.claims.checks)
      return queueMicrotask(() => this.#settle(scan, { ok: false, failure: otherNumber(scan) }));
    this.#queue.push(scan);
    this.#pump();
  }

  #pump(): void {
    const { processes, checkMs, about, traffic, events, clock, logger } = this.#options;
    if (this.#running !== undefined || !processes.hasRoom) return;
    const scan = this.#queue.shift();
    if (scan === undefined) return;
    const run = new CheckRun(
      {
        ...{ checks: scan.checks ?? [], checkMs, processes, clock, logger },
        budgetMs: Math.min(scan.job.budgetMs, MAX_BUDGET_MS),
        ...(about === undefined ? {} : { about }),
        ...(traffic === undefined ? {} : { traffic: traffic() }),
        ...(events !== undefined && scan.checks?.some(readsEvents) === true ? { events: events() } : {}),
      },
      (rows) => {
        this.#running = undefined;
        this.#settle(scan, { ok: true, answer: answerOf(rows) });
        this.#pump();
      },
    );
    this.#running = { scan, run };
  }

  #settle(scan: Scan, result: JobResult): void {
    if (scan.isOver) return;
    scan.isOver = true;
    scan.job.onResult(result);
  }

  #cancel(scan: Scan): string | undefined {
    scan.isOver = true;
    const at = this.#queue.indexOf(scan);
    if (at >= 0) this.#queue.splice(at, 1);
    if (this.#running?.scan !== scan) return undefined;
    const path = this.#running.run.kill();
    this.#running = undefined;
    this.#pump();
    return path;
  }
}

interface Scan {
  readonly job: ScanJob;
  readonly claims: PackClaims;
  checks: readonly JudgedCheck[] | undefined;
  isOver: boolean;
}

function readsEvents({ sql, applies_if }: JudgedCheck): boolean {
  return [sql, applies_if].some((one) => one !== undefined && asksForEvents(one));
}

function otherNumber({ claims, checks }: Scan): QueryFailure {
  const message = `${claims.pack} ${claims.version} has ${checks?.length ?? 0} checks, and ${claims.checks} were signed`;
  return { outcome: 'error', code: 'no_checks', message };
}

function answerOf(rows: readonly Uint8Array[]): Answer {
  return { chunks: [Buffer.concat(rows)], warnings: [], release: () => {} };
}
