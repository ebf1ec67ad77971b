import type { AuditTrail } from '@muster/audit';
import type { StreamStore } from '@muster/bus';
import type { OrgId, QueryId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { Clock, Counter, Logger, Metrics, Timer } from '@muster/runtime';
import type { QueryStore } from './query-store.js';
import type { RetentionRule } from './retention-policy.js';

export interface ResultRetentionOptions {
  readonly rules: readonly RetentionRule[];
  readonly queries: Pick<QueryStore, 'idsBefore' | 'read'>;
  readonly streams: Pick<StreamStore, 'last' | 'purge'>;
  readonly audit: Pick<AuditTrail, 'record'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const SWEEP_MS = 10 * 60_000;
/** The first sweep comes after a random part of this, so that several processes do not do the same work at once. */
const FIRST_SWEEP_MS = 5 * 60_000;
/** One sweep looks at most at so many queries of an org; the next one goes on. */
const MAX_PER_SWEEP = 1_000;
/** How many ids an audit record names. */
const NAMED = 100;

/** How far the queries of an org were looked at. */
interface Progress {
  /** All up to this id are done. */
  upTo: string;
  /** Further ones that are done: one before them, such as a hunt, had not ended long enough. */
  readonly ahead: Set<string>;
}

/**
 * Deletes rows and outcomes of queries that ended longer ago than the policy of their org says, with an audit record. Every API does this:
 * deleting again changes nothing, and only who finds something to delete says so. The records of the queries stay, and what was counted of scans.
 */
export class ResultRetention {
  readonly #options: ResultRetentionOptions;
  readonly #progress = new Map<OrgId, Progress>();
  readonly #deleted: Counter;
  #timer: Timer | undefined;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: ResultRetentionOptions) {
    this.#options = options;
    this.#deleted = options.metrics.counter({
      name: 'muster_api_expired_results_total',
      help: 'Queries whose results this process deleted, because the policy of their org says so.',
    });
  }

  start(): void {
    if (this.#options.rules.length > 0) this.#plan(Math.random() * FIRST_SWEEP_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.clock.clear(this.#timer);
    await this.#running;
  }

  /** Deletes what is due. Called by a timer; does not throw. */
  async sweep(): Promise<void> {
    for (const rule of this.#options.rules) {
      const deleted: QueryId[] = [];
      try {
        await this.#sweepOrg(rule, deleted);
      } catch (error) {
        this.#options.logger.warn('deleting expired results failed; it is tried again', { org: rule.org, err: error });
      }
      if (deleted.length > 0) this.#record(rule, deleted);
    }
  }

  #plan(inMs: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#running = this.sweep().then(() => (this.#stopped ? undefined : this.#plan(SWEEP_MS)));
    }, inMs);
  }

  async #sweepOrg({ org, ms }: RetentionRule, deleted: QueryId[]): Promise<void> {
    const beforeMs = this.#options.clock.now() - ms;
    const progress = this.#progress.get(org) ?? { upTo: '', ahead: new Set() };
    this.#progress.set(org, progress);
    let looked = 0;
    let isGap = false;
    for (const id of this.#options.queries.idsBefore(org, beforeMs, progress.upTo)) {
      if (this.#stopped || looked === MAX_PER_SWEEP) return;
      if (!progress.ahead.has(id)) {
        looked += 1;
        const result = await this.#expire(org, id, beforeMs);
        if (result === 'later') isGap = true;
        if (result === 'deleted') deleted.push(id);
        if (result === 'later') continue;
      }
      if (isGap) progress.ahead.add(id);
      else {
        progress.upTo = id;
        progress.ahead.delete(id);
      }
    }
  }

  /** `later`: it has not ended, or not long enough ago. @throws AppError, StreamError */
  async #expire(org: OrgId, id: QueryId, beforeMs: number): Promise<'deleted' | 'nothing' | 'later'> {
    const { queries, streams } = this.#options;
    const record = await queries.read(org, id);
    if (record?.state === 'running') return 'later';
    if (record !== undefined && (record.endedAtMs ?? record.createdAtMs) > beforeMs) return 'later';
    const subject = STREAM_SUBJECTS.result(org, id);
    if ((await streams.last(STREAMS.results.name, subject)) === undefined) return 'nothing';
    await streams.purge(STREAMS.results.name, subject);
    this.#deleted.inc();
    return 'deleted';
  }

  #record({ org, ms }: RetentionRule, ids: readonly QueryId[]): void {
    const { audit, logger } = this.#options;
    logger.info('expired results deleted', { org, count: ids.length });
    audit.record({
      ...{ org, actor: 'retention', actorName: 'result retention', action: 'query.expire_results' },
      ...{ outcome: 'allowed' as const, from: 'internal' },
      ...(ids.length === 1 ? { subject: ids[0] as string } : {}),
      details: { count: ids.length, afterMs: ms, queries: ids.slice(0, NAMED) },
    });
  }
}
