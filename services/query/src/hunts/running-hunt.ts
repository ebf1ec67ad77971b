import type { Bus } from '@muster/bus';
import { askedParameters, budgetOf } from '../coordinator/asked-parameters.js';
import { encodeBusMessage, SUBJECTS, traced, type GatewayUpdate, type HuntStart } from '@muster/messages';
import { OUTCOMES, type GatewayId } from '@muster/protocol';
import type { QueryRecord, ResultEvent } from '@muster/records';
import type { Clock, Logger, Span, Timer } from '@muster/runtime';
import type { StoredQuery } from '@muster/service-base';
import { ResultAggregator, type AggregatorOptions } from '../aggregation/result-aggregator.js';
import { countRefused, type CoordinatorMetrics } from '../coordinator/coordinator-metrics.js';
import { ENDINGS, type Ending, type EndingKind } from '../coordinator/endings.js';
import { FlushScheduler } from '../coordinator/flush-scheduler.js';
import { nextResultEvent } from '../coordinator/next-result-event.js';
import type { GatewayFailureDetector } from '../liveness/gateway-failure-detector.js';
import { OwnRecord } from '../results/own-record.js';
import type { QueryRecordStore } from '../results/query-record-store.js';
import type { ResultWriter, ResultWriterOptions, WriteResult } from '../results/result-writer.js';
import { foundBy } from './found.js';
import type { KeptHunt } from './kept-hunt.js';

export interface RunningHuntDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly span: Span;
  readonly metrics: CoordinatorMetrics;
  readonly records: Pick<QueryRecordStore, 'store' | 'get'>;
  readonly detector: Pick<GatewayFailureDetector, 'probeIfSilent'>;
  readonly openResults: (
    query: Pick<ResultWriterOptions, 'org' | 'id' | 'next' | 'onBroken'> & { readonly lastSeq: number },
  ) => ResultWriter;
  /** The enrolled endpoints in its scope. Never throws. */
  readonly inScope: () => Promise<readonly number[]>;
  readonly reduce: (record: QueryRecord) => Promise<ResultEvent & { readonly t: 'reduced' }>;
  /** Calls back when the updates that have arrived until now were given to {@link RunningHunt.takeUpdate}; at once when none waits. */
  readonly afterArrived: (then: () => void) => void;
  readonly limits: Omit<AggregatorOptions, 'form' | 'columns' | 'isHunt'>;
}

/** Viewers see a change within the first time; without any, an event says after the second one that the hunt goes on. */
const FLUSH_TIMES = { flushMs: 1_000, keepAliveMs: 300_000 } as const;
const TICK_MS = 1_000;
/** Endpoints enrol, are revoked and change their labels. */
const COUNT_MS = 60_000;
/** Gateways take part, and what their endpoints say arrives, within this time. */
const SETTLE_MS = 15_000;
/** After this much time without a tick this process stood still, and another may have taken its hunts over. */
const STOOD_STILL_MS = 4_000;

/**
 * The life of a hunt on one of its coordinators:
 *
 *     running ──deadline | all settled | cancel──▶ finishing ──results and record written──▶ ended
 *        ├──this service stops──▶ released ──▶ another one goes on
 *        └──another one goes on, or the broker is lost──▶ released
 */
export class RunningHunt {
  /** Resolves when it has ended or goes on elsewhere. Never rejects. */
  readonly ended: Promise<void>;
  readonly #deps: RunningHuntDeps;
  readonly #aggregator: ResultAggregator;
  readonly #scheduler: FlushScheduler;
  readonly #writer: ResultWriter;
  readonly #kept: KeptHunt | undefined;
  readonly #own: OwnRecord;
  #last: QueryRecord | undefined;
  #state: 'starting' | 'running' | 'finishing' | 'ended' = 'starting';
  #begunMs = 0;
  #countedMs = Number.NEGATIVE_INFINITY;
  #counting: Promise<void> | undefined;
  #telling: Promise<void> | undefined;
  #flushedVersion = -1;
  #tickedMs = 0;
  #isInDoubt = false;
  #deadline: Timer | undefined;
  #tick: Timer | undefined;
  #resolveEnded: () => void = () => undefined;

  /** `kept`: what an earlier coordinator has written. */
  constructor(deps: RunningHuntDeps, stored: StoredQuery, kept?: KeptHunt) {
    const { record } = stored;
    this.#deps = deps;
    this.#own = new OwnRecord(deps.records, stored);
    this.#kept = kept;
    const { mode, columns } = record;
    this.#aggregator = new ResultAggregator({ ...deps.limits, form: mode, columns: columns.length, isHunt: true });
    kept?.restoreTo(this.#aggregator);
    this.#scheduler = new FlushScheduler(deps.clock, () => this.#writer.kick(), FLUSH_TIMES);
    this.#writer = deps.openResults({
      org: record.org,
      id: record.id,
      lastSeq: kept?.lastSeq ?? 0,
      next: () => nextResultEvent(this.#aggregator, this.#scheduler, this.#eventOptions()),
      onBroken: (result) => this.#abandon(result),
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get record(): QueryRecord {
    return this.#last ?? this.#own.record;
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** It has not ended, and this process knows that it is still its own. */
  get announced(): boolean {
    return this.running && !this.#inDoubt;
  }

  /** When it rises, gateways start over with the endpoints that are settled. */
  get revision(): number {
    return this.#aggregator.lostUpdates;
  }

  startMessage(): HuntStart {
    const { id, org, owner, sql, columns, scope, among, mode, deadlineMs, timeoutMs, hunt } = this.record;
    return {
      ...{ t: 'hunt_start', id, org, owner, sql, columns, selector: scope, mode, deadlineMs, askMs: timeoutMs },
      ...(among === undefined ? {} : { among }),
      ...askedParameters(this.record),
      ...(hunt?.through === undefined ? {} : { through: hunt.through }),
      ...{ nowMs: this.#deps.clock.now(), budget: budgetOf(this.record), revision: this.revision },
      settled: this.#aggregator.ledger.settled().encode(),
      ...traced(this.#deps.span),
    };
  }

  /** Writes before anything is sent: a coordinator that goes on with a hunt fences the one before it. */
  async open(): Promise<WriteResult> {
    if ((this.#kept?.lastSeq ?? 0) === 0) return this.#writer.write({ t: 'started', record: this.record });
    const { gateways, writtenLedger } = this.#aggregator;
    return this.#writer.write({ t: 'progress', ledger: writtenLedger, elapsedMs: this.#elapsedMs, gateways });
  }

  begin(): void {
    const { bus, clock } = this.#deps;
    this.#begunMs = clock.monotonic();
    this.#tickedMs = this.#begunMs;
    this.#state = 'running';
    bus.publish(SUBJECTS.gateways, encodeBusMessage(this.startMessage()));
    this.#deadline = clock.setTimeout(() => this.end('deadline'), Math.max(0, this.record.deadlineMs - clock.now()));
    this.#tick = clock.setInterval(() => this.#everyTick(), TICK_MS);
    void this.#count().then(() => this.#scheduler.flushNow());
    this.#changed();
  }

  takeUpdate(update: GatewayUpdate): void {
    const { metrics, logger, clock } = this.#deps;
    if (this.#state !== 'running') return metrics.updates.inc({ result: 'too_late' });
    const { lostUpdates: lostBefore, refusedNumbers: refusedBefore } = this.#aggregator;
    try {
      metrics.updates.inc({ result: this.#aggregator.take(update, clock.now()) });
    } catch (error) {
      metrics.updates.inc({ result: 'malformed' });
      logger.error('gateway update is malformed', { query: this.record.id, gateway: update.gateway, err: error });
    }
    countRefused(this.#deps, update, this.#aggregator.refusedNumbers - refusedBefore);
    const lost = this.#aggregator.lostUpdates - lostBefore;
    if (lost > 0) {
      metrics.lostUpdates.inc(lost);
      logger.warn('gateway updates were lost', { query: this.record.id, gateway: update.gateway, lost });
    }
    this.#changed();
  }

  gatewayDied(gateway: GatewayId): void {
    if (this.#state !== 'running') return;
    this.#aggregator.gatewayDied(gateway);
    this.#changed();
  }

  gatewayReturned(gateway: GatewayId): void {
    if (this.#state === 'running') this.#aggregator.gatewayReturned(gateway);
  }

  /** Ends the hunt when what has arrived for it was taken. Only the first end has an effect. */
  end(kind: EndingKind): void {
    if (this.#state === 'running') this.#deps.afterArrived(() => this.#endNow(kind));
  }

  #endNow(kind: EndingKind): void {
    if (this.#state !== 'running') return;
    this.#state = 'finishing';
    this.#writer.ending();
    this.#stopTimers();
    const ending = ENDINGS[kind];
    this.#finish(ending).catch((error: unknown) => {
      this.#deps.logger.error('hunt could not be ended', { query: this.record.id, err: error });
      this.#abandon('lost');
    });
  }

  /** This service stops: writes what came, and leaves the hunt to another one. */
  async release(): Promise<void> {
    await new Promise<void>((resolve) => this.#deps.afterArrived(resolve));
    if (this.#state !== 'running') return;
    this.#stopTimers();
    this.#scheduler.flushNow();
    await this.#writer.idle();
    await this.#telling;
    this.#close('released');
  }

  /** It was not begun: another service goes on with it. */
  drop(): void {
    if (this.#state === 'starting') this.#close('released');
  }

  #eventOptions() {
    return { eventBytes: this.#deps.limits.eventBytes, elapsedMs: this.#elapsedMs };
  }

  #changed(): void {
    if (this.#state !== 'running') return;
    const { ledger, answers } = this.#aggregator;
    if (ledger.version > this.#flushedVersion) this.#scheduler.changed();
    this.#flushedVersion = ledger.version;
    if (answers.queuedBytes > 0) this.#writer.kick();
  }

  #everyTick(): void {
    const { clock, detector } = this.#deps;
    if (this.#inDoubt) this.#resolveDoubt();
    const nowMs = clock.monotonic();
    this.#tickedMs = nowMs;
    for (const gateway of this.#aggregator.pending()) detector.probeIfSilent(gateway, this.#begunMs);
    this.#aggregator.ledger.expireMoves(nowMs);
    if (nowMs - this.#countedMs >= COUNT_MS) void this.#count().then(() => this.#scheduler.changed());
    this.#changed();
    if (!this.#inDoubt) this.#telling ??= this.#tellFound();
    if (this.#mayBeFinal(nowMs)) void this.#count().then(() => this.#mayBeFinal(nowMs) && this.#endNow('settled'));
  }

  /** Everybody in scope has settled, and nobody can be added. */
  #mayBeFinal(nowMs: number): boolean {
    const isStanding = this.record.hunt?.through === undefined;
    return !isStanding && this.running && nowMs - this.#begunMs > SETTLE_MS && this.#aggregator.ledger.isFinal;
  }

  async #count(): Promise<void> {
    this.#countedMs = this.#deps.clock.monotonic();
    this.#counting ??= this.#deps.inScope().then((nums) => {
      this.#counting = undefined;
      this.#aggregator.ledger.setAway(nums);
    });
    await this.#counting;
  }

  get #inDoubt(): boolean {
    return this.#isInDoubt || this.#deps.clock.monotonic() - this.#tickedMs > STOOD_STILL_MS;
  }

  /** Writes before anything is said: where another goes on with the hunt, the write is refused. */
  #resolveDoubt(): void {
    this.#isInDoubt = true;
    this.#scheduler.flushNow();
    void this.#writer.idle().then(() => {
      this.#isInDoubt = false;
    });
  }

  /** Who waits for rows reads records: the results of all queries are too much to read for that. Tried again at the next tick. */
  #tellFound(): Promise<void> | undefined {
    const { clock, logger } = this.#deps;
    const ledger = this.#aggregator.writtenLedger;
    const found = foundBy(this.record, { endpoints: ledger.answered, nowMs: clock.now() });
    if (found === undefined) return undefined;
    const record = { ...this.record, found, ledger, rows: this.#aggregator.rows };
    return this.#own
      .store(record)
      .then((stored) => {
        if (stored === 'conflict') this.#abandon('fenced');
      })
      .catch((err: unknown) => logger.warn('what a hunt found could not be stored', { query: record.id, err }))
      .finally(() => (this.#telling = undefined));
  }

  get #elapsedMs(): number {
    return Math.max(0, this.#deps.clock.now() - this.record.createdAtMs);
  }

  async #finish(ending: Ending): Promise<void> {
    const { bus, reduce, metrics, logger } = this.#deps;
    await this.#count();
    await this.#telling;
    if (!this.#finishing) return;
    this.#aggregator.ledger.end(ending.code, ending.message);
    this.#scheduler.finish();
    await this.#writer.idle();
    if (!this.#finishing) return;
    bus.publish(SUBJECTS.gateways, encodeBusMessage({ t: 'query_stop', id: this.record.id, reason: ending.stop }));
    if (this.record.reduce !== undefined) await this.#writer.write(await reduce(this.record));
    const record = this.#lastRecord(ending.state);
    if ((await this.#writer.write({ t: 'ended', record })) !== 'written') return;
    let stored = await this.#own.store(record);
    if (stored === 'behind') stored = await this.#own.store(record);
    // A record that is left as running is corrected by any query service.
    if (stored !== 'stored') logger.error('last record was not stored', { query: record.id, result: stored });
    this.#last = record;
    metrics.ended.inc({ state: record.state, mode: record.mode });
    for (const outcome of OUTCOMES) metrics.endpoints.inc({ outcome }, record.ledger[outcome]);
    logger.info('hunt ended', { query: record.id, state: record.state, ledger: record.ledger, rows: record.rows });
    this.#close();
  }

  get #finishing(): boolean {
    return this.#state === 'finishing';
  }

  #lastRecord(state: Ending['state']): QueryRecord {
    const { truncated, rows, ledger, warnings } = this.#aggregator;
    const faults = [this.#kept?.truncated, truncated].filter((fault) => fault !== undefined);
    const nowMs = this.#deps.clock.now();
    const counted = ledger.snapshot();
    const found = foundBy(this.record, { endpoints: counted.answered, nowMs, isEnd: true });
    return {
      ...this.record,
      ...(found === undefined ? {} : { found }),
      state,
      endedAtMs: nowMs,
      ledger: counted,
      offline: ledger.away ?? 0,
      rows,
      ...warnings.counts,
      ...(faults.length === 0 ? {} : { truncated: faults.join('; ') }),
    };
  }

  /** Another service goes on with it, or its results cannot be written. */
  #abandon(result: Exclude<WriteResult, 'written'>): void {
    if (this.#state === 'ended') return;
    this.#stopTimers();
    this.#deps.logger.warn('hunt was given up here', { query: this.record.id, reason: result });
    this.#close(result);
  }

  #close(fault?: string): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#deps.span.end(fault);
    this.#resolveEnded();
  }

  #stopTimers(): void {
    const { clock } = this.#deps;
    clock.clear(this.#deadline);
    clock.clear(this.#tick);
    this.#scheduler.stop();
  }
}
