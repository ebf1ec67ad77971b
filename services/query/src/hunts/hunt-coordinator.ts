import { StreamError, type Bus, type BusSubscription, type StreamStore } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  traced,
  type GatewayUpdate,
  type HuntTermsRequest,
} from '@muster/messages';
import type { CoordinatorId, GatewayId, QueryId } from '@muster/protocol';
import type { QueryRecord } from '@muster/records';
import type { Logger, Span, Tracer } from '@muster/runtime';
import type { InterruptResult, StoredQuery } from '@muster/service-base';
import type { LaunchResult } from '../coordinator/query-coordinator.js';
import type { QueryRecordStore } from '../results/query-record-store.js';
import { KeptHunt } from './kept-hunt.js';
import { RunningHunt, type RunningHuntDeps } from './running-hunt.js';

export interface HuntCoordinatorOptions {
  readonly bus: Bus;
  readonly streams: StreamStore;
  readonly coordinatorId: CoordinatorId;
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly records: Pick<QueryRecordStore, 'store'>;
  readonly runningDeps: (record: QueryRecord, span: Span) => RunningHuntDeps;
}

/** The hunts that this process coordinates: those that began here, and those whose coordinator is gone. */
export class HuntCoordinator {
  readonly #options: HuntCoordinatorOptions;
  readonly #hunts = new Map<QueryId, RunningHunt>();
  readonly #resuming = new Set<QueryId>();
  #subscription: BusSubscription | undefined;
  #stopping = false;

  constructor(options: HuntCoordinatorOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#hunts.size;
  }

  get(id: QueryId): RunningHunt | undefined {
    return this.#hunts.get(id);
  }

  all(): Iterable<RunningHunt> {
    return this.#hunts.values();
  }

  /** Whether it coordinates the hunt, or is about to. */
  runs(id: QueryId): boolean {
    return this.#hunts.has(id) || this.#resuming.has(id);
  }

  start(): void {
    const { bus, coordinatorId } = this.#options;
    this.#subscription = bus.subscribe(SUBJECTS.coordinatorHunts(coordinatorId), ({ data, reply }) => {
      const request = decodeBusMessage<HuntTermsRequest>(data, 'hunt_terms');
      const hunt = request && this.#hunts.get(request.id);
      reply?.(encodeBusMessage(hunt?.announced === true ? hunt.startMessage() : { t: 'hunt_unknown' }));
    });
  }

  /** Stores the record, opens the result stream, then tells the gateways. */
  async launch(requested: QueryRecord, traceparent?: string): Promise<LaunchResult> {
    const { records, tracer } = this.#options;
    const span = tracer.part('hunt run', traceparent, { kind: 'producer', attributes: attributesOf(requested) });
    const record = { ...requested, ...traced(span) };
    const stored = await records.store(record, 0);
    if (stored.kind !== 'stored') span.end(stored.kind);
    if (stored.kind === 'conflict') return { kind: 'taken' };
    if (stored.kind === 'unavailable') return { kind: 'unavailable', cause: stored.cause };
    const opened = await this.#run({ record, seq: stored.seq }, span);
    return opened === 'written' ? { kind: 'started', record } : { kind: 'unavailable', cause: opened };
  }

  /** Goes on with a hunt whose coordinator is gone. Any number of services may try at once; the record goes to one of them. */
  async resume(orphan: StoredQuery): Promise<InterruptResult> {
    const { id } = orphan.record;
    if (this.runs(id) || this.#stopping) return 'settled';
    this.#resuming.add(id);
    try {
      return await this.#resume(orphan);
    } catch (error) {
      if (error instanceof StreamError) return 'unavailable';
      throw error;
    } finally {
      this.#resuming.delete(id);
    }
  }

  gatewayDied(gateway: GatewayId): void {
    for (const hunt of this.#hunts.values()) hunt.gatewayDied(gateway);
  }

  gatewayReturned(gateway: GatewayId): void {
    for (const hunt of this.#hunts.values()) hunt.gatewayReturned(gateway);
  }

  /** True when the update is of a hunt that runs here. */
  takeUpdate(update: GatewayUpdate): boolean {
    const hunt = this.#hunts.get(update.query);
    hunt?.takeUpdate(update);
    return hunt !== undefined;
  }

  /** Writes what came, and leaves the hunts to other services. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all([...this.#hunts.values()].map((hunt) => hunt.release()));
    await Promise.all([...this.#hunts.values()].map((hunt) => hunt.ended));
    this.#subscription?.unsubscribe();
  }

  async #resume(orphan: StoredQuery): Promise<InterruptResult> {
    const { streams, records, coordinatorId, tracer, logger } = this.#options;
    const record = { ...orphan.record, owner: coordinatorId };
    const stored = await records.store(record, orphan.seq);
    if (stored.kind === 'conflict') return 'settled';
    if (stored.kind === 'unavailable') return 'unavailable';
    const kept = await KeptHunt.read(streams, record);
    const { ended } = kept.result;
    if (ended !== undefined) {
      const repaired = await records.store(ended, stored.seq);
      return repaired.kind === 'unavailable' ? 'unavailable' : 'repaired';
    }
    const span = tracer.part('hunt resume', record.traceparent, { attributes: attributesOf(record) });
    const opened = await this.#run({ record, seq: stored.seq }, span, kept);
    if (opened !== 'written') return opened === 'fenced' ? 'alive' : 'unavailable';
    logger.info('hunt goes on here', { query: record.id, ledger: kept.result.ledger });
    return 'resumed';
  }

  async #run(stored: StoredQuery, span: Span, kept?: KeptHunt) {
    const { record } = stored;
    const hunt = new RunningHunt(this.#options.runningDeps(record, span), stored, kept);
    this.#hunts.set(record.id, hunt);
    void hunt.ended.then(() => this.#hunts.delete(record.id));
    const opened = await hunt.open();
    if (opened === 'written' && !this.#stopping) hunt.begin();
    else hunt.drop();
    return opened;
  }
}

const attributesOf = ({ id, org, mode, deadlineMs }: QueryRecord) => ({
  'muster.query.id': id,
  'muster.org': org,
  'muster.query.mode': mode,
  'muster.query.wait_until_ms': deadlineMs,
});
