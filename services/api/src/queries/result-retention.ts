import type { AuditTrail } from '@muster/audit';
import type { StreamStore } from '@muster/bus';
import type { OrgId, QueryId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS, type QueryRecord } from '@muster/records';
import type { Clock, Counter, Logger, Metrics, Timer } from '@muster/runtime';
import type { QueryStore } from './query-store.js';
import type { RetentionPolicy, RetentionRule } from './retention-policy.js';

export interface ResultRetentionOptions {
  readonly policy: Pick<RetentionPolicy, 'rules' | 'usualMs'>;
  readonly queries: Pick<QueryStore, 'idsBefore' | 'read' | 'orgs'>;
  readonly streams: Pick<StreamStore, 'last' | 'purge'>;
  readonly audit: Pick<AuditTrail, 'recordFirst'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const SWEEP_MS = 10 * 60_000;
/** The first sweep comes after a random part of this, so that several processes do not do the same work at once. */
const FIRST_SWEEP_MS = 5 * 60_000;
/** One audit record is of so many queries at most, and names all of them. */
const PER_RECORD = 100;
/** For so long after their time rows of a scan wait to be counted: the posture services may be away. */
const UNCOUNTED_MS = 86_400_000;

/** How far the queries of an org were looked at. A process that starts anew looks at all of them again. */
interface Progress {
  /** All up to this id are done. */
  upTo: string;
  /** Further ones that are done: one before them, such as a hunt, had not ended long enough. */
  readonly ahead: Set<string>;
}

/**
 * Deletes rows and outcomes of queries that ended longer ago than the policy of their org says. The audit record comes
 * first: what a process that dies has not deleted is recorded again, and deleted, by the next one. Every API does this:
 * deleting again changes nothing, and only who finds something to delete says so. The records of the queries stay, and
 * what was counted of scans: rows that are not counted yet stay for up to a day longer.
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
    const { rules, usualMs } = this.#options.policy;
    if (rules.length > 0 || usualMs !== undefined) this.#plan(Math.random() * FIRST_SWEEP_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.clock.clear(this.#timer);
    await this.#running;
  }

  /** Deletes what is due. Called by a timer; does not throw. */
  async sweep(): Promise<void> {
    for (const rule of this.#rules()) {
      try {
        let due: QueryId[] = [];
        for await (const id of this.#sweepOrg(rule)) {
          due.push(id);
          if (due.length < PER_RECORD) continue;
          await this.#expire(rule, due);
          due = [];
        }
        await this.#expire(rule, due);
      } catch (error) {
        this.#options.logger.warn('deleting expired results failed; it is tried again', { org: rule.org, err: error });
        // What was found and not deleted is looked for again.
        this.#progress.delete(rule.org);
      }
    }
  }

  /** Of every org that asked something. */
  #rules(): readonly RetentionRule[] {
    const { queries, policy } = this.#options;
    const { rules, usualMs } = policy;
    if (usualMs === undefined) return rules;
    const named = new Set<string>(rules.map(({ org }) => org));
    const others = [...queries.orgs()].filter((org) => !named.has(org));
    return [...rules, ...others.map((org) => ({ org, ms: usualMs }))];
  }

  #plan(inMs: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#running = this.sweep().then(() => (this.#stopped ? undefined : this.#plan(SWEEP_MS)));
    }, inMs);
  }

  /** Looks at all that may be due, one after the other, and yields what is to be deleted. @throws AppError, StreamError */
  async *#sweepOrg({ org, ms }: RetentionRule): AsyncGenerator<QueryId> {
    const beforeMs = this.#options.clock.now() - ms;
    const progress = this.#progress.get(org) ?? { upTo: '', ahead: new Set() };
    this.#progress.set(org, progress);
    const ids = this.#options.queries.idsBefore(org, beforeMs, progress.upTo);
    // Records that their stream has dropped.
    const known = new Set<string>(ids);
    for (const id of progress.ahead) if (!known.has(id)) progress.ahead.delete(id);
    let isGap = false;
    for (const id of ids) {
      if (this.#stopped) return;
      if (!progress.ahead.has(id)) {
        const result = await this.#look(org, id, beforeMs);
        if (result === 'due') yield id;
        if (result === 'later') {
          isGap = true;
          continue;
        }
      }
      if (isGap) progress.ahead.add(id);
      else {
        progress.upTo = id;
        progress.ahead.delete(id);
      }
    }
  }

  /** `later`: it has not ended, or not long enough ago, or is a scan that is not counted. @throws AppError, StreamError */
  async #look(org: OrgId, id: QueryId, beforeMs: number): Promise<'due' | 'nothing' | 'later'> {
    const { queries, streams } = this.#options;
    const record = await queries.read(org, id);
    if (record?.state === 'running') return 'later';
    if (record !== undefined && (record.endedAtMs ?? record.createdAtMs) > beforeMs) return 'later';
    const subject = STREAM_SUBJECTS.result(org, id);
    if ((await streams.last(STREAMS.results.name, subject)) === undefined) return 'nothing';
    if (record !== undefined && (await this.#isUncounted(record, beforeMs))) return 'later';
    return 'due';
  }

  async #isUncounted({ org, id, pack, endedAtMs, createdAtMs }: QueryRecord, beforeMs: number): Promise<boolean> {
    if (pack === undefined || (endedAtMs ?? createdAtMs) <= beforeMs - UNCOUNTED_MS) return false;
    return (await this.#options.streams.last(STREAMS.scans.name, STREAM_SUBJECTS.scan(org, id))) === undefined;
  }

  /** @throws StreamError; Error where it could not be recorded, and nothing was deleted */
  async #expire({ org, ms }: RetentionRule, ids: readonly QueryId[]): Promise<void> {
    if (ids.length === 0 || this.#stopped) return;
    const { audit, logger, streams } = this.#options;
    const failed = await audit.recordFirst({
      ...{ org, actor: 'retention', actorName: 'result retention', action: 'query.expire_results' },
      ...{ outcome: 'allowed' as const, from: 'internal' },
      ...(ids.length === 1 ? { subject: ids[0] as string } : {}),
      details: { count: ids.length, afterMs: ms, queries: ids },
    });
    if (failed !== undefined) throw failed;
    for (const id of ids) {
      await streams.purge(STREAMS.results.name, STREAM_SUBJECTS.result(org, id));
      this.#deleted.inc();
    }
    logger.info('expired results deleted', { org, count: ids.length });
  }
}
