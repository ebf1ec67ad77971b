import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type GatewayUpdate } from '@muster/messages';
import type { GatewayId, CoordinatorId, QueryId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { QueryRecords } from '../records/query-records.js';
import type { DeathSign, GatewayWatch } from './gateway-watch.js';
import type { OwnerMetrics } from './owner-metrics.js';
import { RunningQuery, type RunningQueryDeps } from './running-query.js';

export interface OwnedQueriesOptions {
  readonly bus: Bus;
  readonly ownerId: CoordinatorId;
  readonly metrics: OwnerMetrics;
  readonly records: Pick<QueryRecords, 'keep'>;
  readonly watch: Pick<GatewayWatch, 'need' | 'heard' | 'expected'>;
  /** Everything of a running query's needs that depends on the query. */
  readonly depsOf: (record: QueryRecord) => RunningQueryDeps;
}

export type LaunchResult =
  | { readonly kind: 'started'; readonly record: QueryRecord }
  /** The broker did not take the record or the first result; nobody was asked anything. */
  | { readonly kind: 'unavailable'; readonly cause: unknown };

/** The queries that this process owns, and the one inbox for gateways' reports about them. */
export class OwnedQueries {
  readonly #options: OwnedQueriesOptions;
  readonly #queries = new Map<QueryId, RunningQuery>();
  #subscription: BusSubscription | undefined;
  #stopping = false;

  constructor(options: OwnedQueriesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#queries.size;
  }

  get(id: QueryId): RunningQuery | undefined {
    return this.#queries.get(id);
  }

  all(): Iterable<RunningQuery> {
    return this.#queries.values();
  }

  start(): void {
    const { bus, ownerId } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.coordinatorInbox(ownerId), ({ data }) => this.#take(data));
  }

  /** Keeps the record, opens the results, asks the fleet; in this order, so that whatever was asked can be found again. */
  async launch(record: QueryRecord): Promise<LaunchResult> {
    const { records, watch, depsOf } = this.#options;
    const expected = watch.expected();
    const kept = await records.keep(record, 0);
    if (kept.kind !== 'kept')
      return { kind: 'unavailable', cause: kept.kind === 'unavailable' ? kept.cause : kept.kind };
    const query = new RunningQuery(depsOf(record), { record, seq: kept.seq });
    this.#queries.set(record.id, query);
    void query.ended.then(() => this.#queries.delete(record.id));
    const opened = await query.open();
    if (opened !== 'written') return { kind: 'unavailable', cause: opened };
    query.begin(await expected);
    if (this.#stopping) query.end('interrupted');
    return { kind: 'started', record };
  }

  gatewayDied(gateway: GatewayId, sign: DeathSign): void {
    this.#options.metrics.deadGateways.inc({ sign });
    for (const query of this.#queries.values()) query.gatewayDied(gateway, sign);
  }

  /** Resolves when no query is left, or the signal is aborted. */
  async drained(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([this.#allEnded(), aborted]);
  }

  /** Ends all queries and stops listening. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const query of this.#queries.values()) query.end('interrupted');
    await this.#allEnded();
    this.#subscription?.unsubscribe();
  }

  async #allEnded(): Promise<void> {
    while (this.#queries.size > 0) await Promise.all([...this.#queries.values()].map((query) => query.ended));
  }

  #take(data: Uint8Array): void {
    const report = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
    if (report === undefined) return this.#options.metrics.reports.inc({ result: 'malformed' });
    this.#options.watch.heard(report.gateway);
    const query = this.#queries.get(report.query);
    if (query === undefined) return this.#options.metrics.reports.inc({ result: 'unknown_query' });
    query.take(report);
  }
}
