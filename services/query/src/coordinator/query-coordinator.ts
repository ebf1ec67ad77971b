import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, messagingAttributes, SUBJECTS, traced, type GatewayUpdate } from '@muster/messages';
import type { GatewayId, CoordinatorId, QueryId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Logger, Span, SpanAttributes, Tracer } from '@muster/runtime';
import type { QueryRecordStore } from '../results/query-record-store.js';
import type { FailureSign, GatewayFailureDetector } from '../liveness/gateway-failure-detector.js';
import type { CoordinatorMetrics } from './coordinator-metrics.js';
import { RunningQuery, type RunningQueryDeps } from './running-query.js';
import { UpdateQueue } from './update-queue.js';

export interface QueryCoordinatorOptions {
  readonly bus: Bus;
  readonly coordinatorId: CoordinatorId;
  readonly metrics: CoordinatorMetrics;
  readonly tracer: Tracer;
  readonly logger: Logger;
  readonly records: Pick<QueryRecordStore, 'store'>;
  readonly detector: Pick<GatewayFailureDetector, 'probeIfSilent' | 'heard' | 'view'>;
  readonly runningDeps: (record: QueryRecord, span: Span) => RunningQueryDeps;
  /** Takes the updates of what is no query of this coordinator; false when nobody knows it. */
  readonly takeOther?: (update: GatewayUpdate) => boolean;
}

export type LaunchResult =
  | { readonly kind: 'started'; readonly record: QueryRecord }
  /** There is a record with this id: another service was asked too, and has started the query. */
  | { readonly kind: 'taken' }
  /** The broker did not take the record or the first event; the query was not sent. */
  | { readonly kind: 'unavailable'; readonly cause: unknown };

/** Coordinates the queries that run on this process. One inbox takes the gateways' updates for all of them. */
export class QueryCoordinator {
  readonly #options: QueryCoordinatorOptions;
  readonly #queries = new Map<QueryId, RunningQuery>();
  readonly #updates = new UpdateQueue((data) => this.#receive(data));
  #subscription: BusSubscription | undefined;
  #stopping = false;

  constructor(options: QueryCoordinatorOptions) {
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
    const { bus, coordinatorId } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.coordinatorInbox(coordinatorId), ({ data }) =>
      this.#updates.push(data),
    );
  }

  /**
   * Stores the record, opens the result stream, then broadcasts the query: a query that was sent can always be found again. The record
   * carries the trace of its run, which is a part of the request's.
   */
  async launch(requested: QueryRecord, traceparent?: string): Promise<LaunchResult> {
    const { records, runningDeps, tracer } = this.#options;
    const span = tracer.part('query run', traceparent, { kind: 'producer', attributes: spanAttributes(requested) });
    const record = { ...requested, ...traced(span) };
    const stored = await records.store(record, 0);
    if (stored.kind !== 'stored') span.end(stored.kind);
    if (stored.kind === 'conflict') return { kind: 'taken' };
    if (stored.kind === 'unavailable') return { kind: 'unavailable', cause: stored.cause };
    const query = new RunningQuery(runningDeps(record, span), { record, seq: stored.seq });
    this.#queries.set(record.id, query);
    void query.ended.then(() => this.#queries.delete(record.id));
    const opened = await query.open();
    if (opened !== 'written') return { kind: 'unavailable', cause: opened };
    query.begin();
    if (this.#stopping) query.end('interrupted');
    return { kind: 'started', record };
  }

  gatewayDied(gateway: GatewayId, sign: FailureSign): void {
    if (sign !== 'stopped') this.#options.metrics.deadGateways.inc({ sign });
    for (const query of this.#queries.values()) query.gatewayDied(gateway, sign);
  }

  gatewayReturned(gateway: GatewayId): void {
    for (const query of this.#queries.values()) query.gatewayReturned(gateway);
  }

  /** Calls `then` when the updates that came before were taken: those of queries and of hunts. */
  afterArrived(then: () => void): void {
    this.#updates.afterArrived(then);
  }

  /** Resolves when no query is left, or the signal is aborted. */
  async drained(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([this.#allEnded(), aborted]);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const query of this.#queries.values()) query.end('interrupted');
    await this.#allEnded();
    this.#subscription?.unsubscribe();
    this.#updates.stop();
  }

  async #allEnded(): Promise<void> {
    while (this.#queries.size > 0) await Promise.all([...this.#queries.values()].map((query) => query.ended));
  }

  #receive(data: Uint8Array): void {
    try {
      this.#takeUpdate(data);
    } catch (error) {
      this.#options.logger.error('gateway update could not be taken', { err: error });
    }
  }

  #takeUpdate(data: Uint8Array): void {
    const update = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
    if (update === undefined) return this.#options.metrics.updates.inc({ result: 'malformed' });
    this.#options.detector.heard(update.gateway);
    const query = this.#queries.get(update.query);
    if (query === undefined && this.#options.takeOther?.(update) === true) return;
    if (query === undefined) return this.#options.metrics.updates.inc({ result: 'unknown_query' });
    query.takeUpdate(update);
  }
}

const spanAttributes = ({ id, org, mode, timeoutMs }: QueryRecord): SpanAttributes => ({
  ...messagingAttributes(SUBJECTS.gateways),
  'muster.query.id': id,
  'muster.org': org,
  'muster.query.mode': mode,
  'muster.query.timeout_ms': timeoutMs,
});
