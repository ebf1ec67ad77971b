import type { Bus } from '@muster/bus';
import {
  encodeBusMessage,
  SUBJECTS,
  traced,
  type GatewayUpdate,
  type QueryStart,
  type StopReason,
} from '@muster/messages';
import { askedParameters, budgetOf } from './asked-parameters.js';
import { OUTCOMES, type GatewayId } from '@muster/protocol';
import type { QueryRecord, ResultEvent } from '@muster/records';
import type { Clock, Logger, Span, SpanAttributes, Timer } from '@muster/runtime';
import type { StoredQuery } from '@muster/service-base';
import type { QueryRecordStore } from '../results/query-record-store.js';
import type { ResultWriter, ResultWriterOptions, WriteResult } from '../results/result-writer.js';
import { SILENCE_MS, type FailureSign, type GatewayFailureDetector } from '../liveness/gateway-failure-detector.js';
import type { Reason } from '../ledger/endpoint-state.js';
import { ENDINGS, type Ending, type EndingKind } from './endings.js';
import { countRefused, type CoordinatorMetrics } from './coordinator-metrics.js';
import { FlushScheduler } from './flush-scheduler.js';
import { MANY_CHANGES, nextResultEvent } from './next-result-event.js';
import { ScopeSurvey, type ScopeSurveyDeps } from './scope-survey.js';
import { ResultAggregator, type AggregatorOptions } from '../aggregation/result-aggregator.js';

export interface RunningQueryDeps extends ScopeSurveyDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly span: Span;
  readonly metrics: CoordinatorMetrics;
  readonly records: Pick<QueryRecordStore, 'store'>;
  readonly detector: Pick<GatewayFailureDetector, 'probeIfSilent' | 'view'>;
  readonly openResults: (query: Pick<ResultWriterOptions, 'org' | 'id' | 'next' | 'onBroken'>) => ResultWriter;
  /** Runs the query's reduce statement over what is in the result stream; never throws. */
  readonly reduce: (record: QueryRecord) => Promise<ResultEvent & { readonly t: 'reduced' }>;
  /** Calls back when the updates that have arrived until now were given to {@link RunningQuery.takeUpdate}; at once when none waits. */
  readonly afterArrived: (then: () => void) => void;
  readonly limits: Omit<AggregatorOptions, 'form' | 'columns'>;
}

/** Time after the deadline for updates that are still on the way. */
const GRACE_MS = 500;
const TICK_MS = 250;
/** After this much time without a tick this process stood still, and another may have ended its queries. */
const STOOD_STILL_MS = 3_000;

/**
 * The life of one query on its coordinator:
 *
 *     running ──settled | deadline + grace | cancel | shutdown──▶ finishing ──results and record written──▶ ended
 *        └─────────────another service wrote its end, or the broker is lost──────────────────────────────────▲
 */
export class RunningQuery {
  /** Resolves with the last record when everything that can be written is written. Never rejects. */
  readonly ended: Promise<QueryRecord>;
  readonly #deps: RunningQueryDeps;
  readonly #aggregator: ResultAggregator;
  readonly #survey: ScopeSurvey;
  readonly #scheduler: FlushScheduler;
  readonly #writer: ResultWriter;
  #stored: StoredQuery;
  #state: 'starting' | 'running' | 'finishing' | 'ended' = 'starting';
  #startedMs = 0;
  #deadlineMs = 0;
  /** Whether all gateways are known. Until then the query does not end of itself. */
  #certain = false;
  #hasRows = false;
  #lostUpdates = 0;
  /** Version of the ledger at the last flush request; -1 so that the start counts as a change. */
  #flushedVersion = -1;
  #tickedMs = 0;
  /** This process stood still and has not written anything since: the query may be another's. */
  #isInDoubt = false;
  #deadline: Timer | undefined;
  #tick: Timer | undefined;
  #resolveEnded: (record: QueryRecord) => void = () => undefined;

  constructor(deps: RunningQueryDeps, stored: StoredQuery) {
    const { record } = stored;
    this.#deps = deps;
    this.#stored = stored;
    this.#aggregator = new ResultAggregator({ ...deps.limits, form: record.mode, columns: record.columns.length });
    this.#survey = new ScopeSurvey(deps, this.#aggregator);
    this.#scheduler = new FlushScheduler(deps.clock, () => this.#writer.kick());
    this.#writer = deps.openResults({
      org: record.org,
      id: record.id,
      next: () => {
        const { eventBytes } = deps.limits;
        return nextResultEvent(this.#aggregator, this.#scheduler, { eventBytes, elapsedMs: this.#elapsedMs });
      },
      onBroken: (result) => this.#abandon(result),
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get record(): QueryRecord {
    return this.#stored.record;
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** It was sent to the gateways and has not ended, and this process knows that it is still its own. */
  get announced(): boolean {
    return this.running && !this.#inDoubt;
  }

  /** The message that starts the query on gateways. Heartbeats repeat it for gateways that missed it. */
  startMessage(): QueryStart {
    const { id, org, owner, sql, columns, scope, among, mode } = this.record;
    const times = { nowMs: this.#deps.clock.now(), deadlineMs: this.#deadlineMs, budget: budgetOf(this.record) };
    const scoped = { selector: scope, ...(among === undefined ? {} : { among }) };
    return {
      ...{ t: 'query_start', id, org, owner, sql, columns, ...scoped, mode, ...times },
      ...askedParameters(this.record),
      ...traced(this.#deps.span),
    };
  }

  /** Opens the result stream, before the query is sent. */
  open(): Promise<WriteResult> {
    return this.#writer.write({ t: 'started', record: this.record });
  }

  begin(): void {
    const { bus, clock, span } = this.#deps;
    this.#startedMs = clock.monotonic();
    this.#survey.sentMs = this.#startedMs;
    // Counts from now, not from the request: what a slow broker takes for the record is not taken from the endpoints.
    this.#deadlineMs = clock.now() + this.record.timeoutMs;
    this.#tickedMs = this.#startedMs;
    this.#lookAround();
    this.#state = 'running';
    bus.publish(SUBJECTS.gateways, encodeBusMessage(this.startMessage()));
    span.event('launched');
    this.#deadline = clock.setTimeout(() => this.end('deadline'), this.record.timeoutMs + GRACE_MS);
    this.#tick = clock.setInterval(() => this.#everyTick(), TICK_MS);
    this.#changed();
  }

  takeUpdate(update: GatewayUpdate): void {
    const { metrics, logger, clock } = this.#deps;
    if (this.#state !== 'running') return metrics.updates.inc({ result: 'too_late' });
    const refusedBefore = this.#aggregator.refusedNumbers;
    try {
      metrics.updates.inc({ result: this.#aggregator.take(update, clock.now()) });
    } catch (error) {
      metrics.updates.inc({ result: 'malformed' });
      logger.error('gateway update is malformed', { query: this.record.id, gateway: update.gateway, err: error });
    }
    countRefused(this.#deps, update, this.#aggregator.refusedNumbers - refusedBefore);
    this.#countLostUpdates(update.gateway);
    this.#changed();
  }

  gatewayDied(gateway: GatewayId, sign: FailureSign): void {
    if (this.#state !== 'running') return;
    this.#survey.isDue ||= !this.#aggregator.speaks(gateway);
    const waited = this.#aggregator.gatewayDied(gateway);
    if (waited > 0)
      this.#deps.logger.warn('gateway died while it ran a query', { query: this.record.id, gateway, sign, waited });
    this.#changed();
  }

  /** A gateway that was dead is heard again. If it lacks the query, it learns of it from the next heartbeat. */
  gatewayReturned(gateway: GatewayId): void {
    if (this.#state === 'running') this.#aggregator.gatewayReturned(gateway);
  }

  /** Ends the query when what has arrived for it was taken. Only the first end has an effect. */
  end(kind: EndingKind): void {
    if (this.#state === 'running') this.#deps.afterArrived(() => this.#endNow(kind));
  }

  #endNow(kind: EndingKind): void {
    if (this.#state !== 'running') return;
    this.#state = 'finishing';
    this.#writer.ending();
    this.#stopTimers();
    const ending = ENDINGS[kind];
    this.#deps.span.event('complete', { 'muster.query.ending': kind });
    const stop = (): void => this.#broadcastStop(ending.stop);
    const isInDoubt = this.#inDoubt;
    if (!isInDoubt) stop();
    this.#aggregator.ledger.end(ending.code, ending.message);
    this.#finish(ending, isInDoubt ? stop : () => undefined).catch((error: unknown) => {
      this.#deps.logger.error('query could not be ended', { query: this.record.id, err: error });
      this.#abandon('lost');
    });
  }

  #changed(): void {
    if (this.#state !== 'running') return;
    const aggregator = this.#aggregator;
    if (!this.#hasRows && aggregator.rows > 0) {
      this.#hasRows = true;
      this.#deps.metrics.firstRows.observe((this.#deps.clock.monotonic() - this.#startedMs) / 1_000);
      this.#deps.span.event('first partial', { 'muster.query.rows': aggregator.rows });
      this.#scheduler.flushNow();
    }
    if (aggregator.initialUpdatesIn && this.#survey.isDue) void this.#survey.findLost().then(() => this.#changed());
    if (aggregator.initialUpdatesIn && !this.#survey.hasCounted) {
      void this.#survey.countOffline();
      // The number of targets is what viewers wait for first.
      this.#scheduler.flushNow();
    }
    if (this.#endWhenSettled()) return;
    if (aggregator.ledger.changes.size >= MANY_CHANGES) this.#scheduler.flushNow();
    else if (aggregator.ledger.version > this.#flushedVersion) this.#scheduler.changed();
    this.#flushedVersion = aggregator.ledger.version;
    if (aggregator.answers.queuedBytes > 0) this.#writer.kick();
  }

  #endWhenSettled(): boolean {
    if (!this.#aggregator.settled || !this.#certain) return false;
    this.#endNow('settled');
    return true;
  }

  get #inDoubt(): boolean {
    return this.#isInDoubt || this.#deps.clock.monotonic() - this.#tickedMs > STOOD_STILL_MS;
  }

  /** Writes before anything is broadcast: where another has taken the query over, the write is refused. */
  #resolveDoubt(): void {
    this.#isInDoubt = true;
    this.#scheduler.flushNow();
    void this.#writer.idle().then(() => {
      this.#isInDoubt = false;
    });
  }

  #everyTick(): void {
    if (!this.#certain) this.#lookAround();
    if (this.#inDoubt) this.#resolveDoubt();
    this.#tickedMs = this.#deps.clock.monotonic();
    for (const gateway of this.#aggregator.pending()) this.#deps.detector.probeIfSilent(gateway, this.#startedMs);
    this.#aggregator.ledger.expireMoves(this.#deps.clock.monotonic());
    this.#changed();
  }

  get #elapsedMs(): number {
    return Math.round(this.#deps.clock.monotonic() - this.#startedMs);
  }

  #countLostUpdates(gateway: GatewayId): void {
    const lost = this.#aggregator.lostUpdates - this.#lostUpdates;
    if (lost === 0) return;
    this.#lostUpdates += lost;
    this.#survey.isDue ||= !this.#aggregator.speaks(gateway);
    this.#deps.metrics.lostUpdates.inc(lost);
    this.#deps.logger.warn('gateway updates were lost', { query: this.record.id, gateway, lost });
  }

  #lookAround(): void {
    const { expected, anyLost, certain } = this.#deps.detector.view();
    for (const gateway of expected) this.#aggregator.expect(gateway);
    this.#survey.isDue ||= anyLost;
    this.#certain = certain;
  }

  /** `onWritten` is called when this process knows that the query is its own. */
  async #finish(ending: Ending, onWritten: () => void): Promise<void> {
    const { reduce, metrics, logger } = this.#deps;
    this.#survey.isDue ||= !this.#aggregator.initialUpdatesIn;
    // A service that stops has no time to look for them.
    if (ending.state !== 'interrupted') await this.#survey.findLost(this.#reasonOfUnheard(ending));
    const offline = this.#survey.countOffline();
    this.#scheduler.finish();
    await this.#writer.idle();
    if (this.#open) onWritten();
    if (this.record.reduce !== undefined && ending.state !== 'interrupted' && this.#open) {
      await this.#writer.write(await reduce(this.record));
    }
    if (!this.#open) return;
    const record = this.#lastRecord(ending.state, await offline);
    if ((await this.#writer.write({ t: 'ended', record })) !== 'written') return;
    metrics.duration.observe({ mode: record.mode }, this.#elapsedMs / 1_000);
    const stored = await this.#deps.records.store(record, this.#stored.seq);
    // Viewers follow the result stream. A record that is left as running is corrected by the orphan reaper of any query service.
    if (stored.kind !== 'stored') logger.error('last record was not stored', { query: record.id, result: stored.kind });
    this.#close(record);
  }

  /** A gateway that was asked so short a time ago is not silent: the query has ended first. */
  #reasonOfUnheard({ code, message }: Ending): Reason | undefined {
    const waitedMs = this.#deps.clock.monotonic() - this.#startedMs;
    return waitedMs < SILENCE_MS ? ['timed_out', code, message] : undefined;
  }

  get #open(): boolean {
    return this.#state === 'finishing';
  }

  #lastRecord(state: Ending['state'], offline: number): QueryRecord {
    const { truncated, rows, ledger, warnings } = this.#aggregator;
    const record = {
      ...this.record,
      state,
      endedAtMs: this.#deps.clock.now(),
      ledger: ledger.snapshot(),
      offline,
      rows,
      ...warnings.counts,
    };
    return truncated === undefined ? record : { ...record, truncated };
  }

  #close(record: QueryRecord): void {
    this.#state = 'ended';
    this.#stored = { ...this.#stored, record };
    const { metrics, logger, span } = this.#deps;
    span.set(endAttributes(record));
    span.end();
    metrics.ended.inc({ state: record.state, mode: record.mode });
    for (const outcome of OUTCOMES) metrics.endpoints.inc({ outcome }, record.ledger[outcome]);
    if (record.truncated !== undefined) metrics.truncated.inc();
    const { id, state, ledger, rows, truncated } = record;
    logger.info('query ended', { query: id, state, ledger, rows, truncated, tookMs: this.#elapsedMs });
    this.#resolveEnded(record);
  }

  /** Another service has taken the query over, or its results cannot be written. */
  #abandon(result: Exclude<WriteResult, 'written'>): void {
    if (this.#state === 'ended') return;
    const wasRunning = this.#state === 'running';
    this.#state = 'ended';
    this.#stopTimers();
    this.#deps.span.end(result);
    // Whoever took it over has told the gateways.
    if (wasRunning && result === 'lost') this.#broadcastStop('interrupted');
    this.#deps.logger.warn('query was abandoned', { query: this.record.id, reason: result });
    this.#deps.metrics.ended.inc({ state: result, mode: this.record.mode });
    this.#resolveEnded(this.record);
  }

  #broadcastStop(reason: StopReason): void {
    this.#deps.bus.publish(SUBJECTS.gateways, encodeBusMessage({ t: 'query_stop', id: this.record.id, reason }));
  }

  #stopTimers(): void {
    const { clock } = this.#deps;
    clock.clear(this.#deadline);
    clock.clear(this.#tick);
    this.#scheduler.stop();
  }
}

function endAttributes({ state, rows, ledger }: QueryRecord): SpanAttributes {
  const { targeted, answered, empty } = ledger;
  return {
    'muster.query.state': state,
    'muster.query.rows': rows,
    'muster.query.targeted': targeted,
    'muster.query.answered': answered + empty,
  };
}
