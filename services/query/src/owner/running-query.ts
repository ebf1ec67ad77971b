import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, type GatewayUpdate, type QueryStart } from '@muster/messages';
import { DEFAULT_BUDGET, OUTCOMES, type GatewayId } from '@muster/protocol';
import type { QueryRecord, ResultEvent } from '@muster/records';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { KeptQuery, QueryRecords } from '../records/query-records.js';
import type { ResultWriter, ResultWriterOptions, WriteResult } from '../results/result-writer.js';
import type { DeathSign, Expected, GatewayWatch } from './gateway-watch.js';
import { ENDINGS, type Ending, type EndingKind } from './endings.js';
import type { OwnerMetrics } from './owner-metrics.js';
import { Pace } from './pace.js';
import { SummaryEvents } from './summary-events.js';
import { Tally, type TallyOptions } from './tally.js';

/** What a running query needs of the process around it. */
export interface RunningQueryDeps {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: OwnerMetrics;
  readonly records: Pick<QueryRecords, 'keep'>;
  readonly watch: Pick<GatewayWatch, 'need'>;
  readonly openResults: (query: Pick<ResultWriterOptions, 'org' | 'id' | 'next' | 'onBroken'>) => ResultWriter;
  readonly countOffline: (isTargeted: (num: number) => boolean) => Promise<number>;
  /** Runs the query's reduce statement over what is in the result stream; never throws. */
  readonly reduce: (record: QueryRecord) => Promise<ResultEvent & { readonly t: 'reduced' }>;
  readonly limits: Omit<TallyOptions, 'mode' | 'columns'>;
}

/** What gateways may still have on the way when the deadline is reached. */
const GRACE_MS = 500;
const TICK_MS = 250;
/** When the registry cannot say which gateways there are, those that live have spoken by then. */
const UNCERTAIN_WAIT_MS = 2_000;

/**
 * The life of one query on its owner:
 *
 *     running ──settled | deadline + grace | cancel | shutdown──▶ finishing ──results and record written──▶ ended
 *        └─────────────another owner wrote its end, or the broker is lost──────────────────────────────────▲
 */
export class RunningQuery {
  /** Resolves with the last record, once everything that can be written is. Never rejects. */
  readonly ended: Promise<QueryRecord>;
  readonly #deps: RunningQueryDeps;
  readonly #tally: Tally;
  readonly #pace: Pace;
  readonly #events: SummaryEvents;
  readonly #writer: ResultWriter;
  #kept: KeptQuery;
  #state: 'starting' | 'running' | 'finishing' | 'ended' = 'starting';
  #startedMs = 0;
  #certain = true;
  #heardRows = false;
  #lostReports = 0;
  /** Of the ledger, when its last change was noted; below its first, so that the start counts as one. */
  #toldVersion = -1;
  #offline: Promise<number> | undefined;
  #deadline: Timer | undefined;
  #tick: Timer | undefined;
  #resolveEnded: (record: QueryRecord) => void = () => undefined;

  constructor(deps: RunningQueryDeps, kept: KeptQuery) {
    const { record } = kept;
    this.#deps = deps;
    this.#kept = kept;
    this.#tally = new Tally({ ...deps.limits, mode: record.mode, columns: record.columns.length });
    this.#pace = new Pace({ clock: deps.clock, onDue: () => this.#writer.kick() });
    this.#events = new SummaryEvents({
      tally: this.#tally,
      pace: this.#pace,
      eventBytes: deps.limits.eventBytes,
      elapsedMs: () => this.#elapsedMs,
    });
    this.#writer = deps.openResults({
      org: record.org,
      id: record.id,
      next: () => this.#events.next(),
      onBroken: (result) => this.#abandon(result),
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get record(): QueryRecord {
    return this.#kept.record;
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** What gateways are told of it; in the owner's beats too, for those that missed the start. */
  startMessage(): QueryStart {
    const { id, org, owner, sql, columns, scope, mode, deadlineMs } = this.record;
    const times = { nowMs: this.#deps.clock.now(), deadlineMs, budget: DEFAULT_BUDGET };
    return { t: 'query_start', id, org, owner, sql, columns, selector: scope, mode, ...times };
  }

  /** Opens the result stream; nothing was asked of anybody yet. */
  open(): Promise<WriteResult> {
    return this.#writer.write({ t: 'started', record: this.record });
  }

  /** Asks the fleet. */
  begin({ gateways, certain }: Expected): void {
    const { bus, clock } = this.#deps;
    this.#state = 'running';
    this.#certain = certain;
    this.#startedMs = clock.monotonic();
    for (const gateway of gateways) this.#tally.expect(gateway);
    bus.publish(SUBJECTS.gateways, encodeBusMessage(this.startMessage()));
    this.#deadline = clock.setTimeout(() => this.end('deadline'), this.record.timeoutMs + GRACE_MS);
    this.#tick = clock.setInterval(() => this.#everyTick(), TICK_MS);
    this.#changed();
  }

  /** A gateway's report about this query. */
  take(report: GatewayUpdate): void {
    const { metrics, logger, clock } = this.#deps;
    if (this.#state !== 'running') return metrics.reports.inc({ result: 'too_late' });
    try {
      metrics.reports.inc({ result: this.#tally.take(report, clock.now()) });
    } catch (error) {
      metrics.reports.inc({ result: 'malformed' });
      logger.error('report is malformed', { query: this.record.id, gateway: report.gateway, err: error });
    }
    this.#noteLosses(report.gateway);
    this.#changed();
  }

  gatewayDied(gateway: GatewayId, sign: DeathSign): void {
    if (this.#state !== 'running') return;
    const waited = this.#tally.gatewayDied(gateway);
    if (waited > 0)
      this.#deps.logger.warn('gateway died with a query', { query: this.record.id, gateway, sign, waited });
    this.#changed();
  }

  /** Ends the query now. Any number of calls give the same end: the first one's. */
  end(kind: EndingKind): void {
    if (this.#state !== 'running') return;
    this.#state = 'finishing';
    this.#stopTimers();
    const ending = ENDINGS[kind];
    const stop = encodeBusMessage({ t: 'query_stop', id: this.record.id, reason: ending.stop });
    this.#deps.bus.publish(SUBJECTS.gateways, stop);
    this.#tally.ledger.end(ending.code, ending.message);
    this.#finish(ending).catch((error: unknown) => {
      this.#deps.logger.error('query could not be ended', { query: this.record.id, err: error });
      this.#abandon('lost');
    });
  }

  #changed(): void {
    if (this.#state !== 'running') return;
    const tally = this.#tally;
    if (!this.#heardRows && tally.rows > 0) {
      this.#heardRows = true;
      this.#deps.metrics.firstRows.observe((this.#deps.clock.monotonic() - this.#startedMs) / 1_000);
      this.#pace.hurry();
    }
    if (tally.initialReportsIn && this.#offline === undefined) {
      void this.#startOfflineCount();
      // How many are asked is what viewers wait for first.
      this.#pace.hurry();
    }
    if (this.#endWhenSettled()) return;
    if (tally.ledger.version > this.#toldVersion) this.#pace.changed();
    this.#toldVersion = tally.ledger.version;
    if (tally.answers.queuedBytes > 0) this.#writer.kick();
  }

  #endWhenSettled(): boolean {
    if (!this.#tally.settled || (!this.#certain && this.#elapsedMs < UNCERTAIN_WAIT_MS)) return false;
    this.end('settled');
    return true;
  }

  #everyTick(): void {
    for (const gateway of this.#tally.pending()) this.#deps.watch.need(gateway, this.#startedMs);
    this.#endWhenSettled();
  }

  get #elapsedMs(): number {
    return Math.round(this.#deps.clock.monotonic() - this.#startedMs);
  }

  #noteLosses(gateway: GatewayId): void {
    const lost = this.#tally.lostReports - this.#lostReports;
    if (lost === 0) return;
    this.#lostReports += lost;
    this.#deps.metrics.lostReports.inc(lost);
    this.#deps.logger.warn('reports were lost', { query: this.record.id, gateway, lost });
  }

  #startOfflineCount(): Promise<number> {
    this.#offline ??= this.#deps.countOffline((num) => this.#tally.ledger.has(num));
    return this.#offline;
  }

  async #finish(ending: Ending): Promise<void> {
    const { reduce, metrics, logger } = this.#deps;
    const offline = this.#startOfflineCount();
    this.#pace.finish();
    await this.#writer.idle();
    if (this.record.reduce !== undefined && ending.state !== 'interrupted' && this.#open) {
      await this.#writer.write(await reduce(this.record));
    }
    if (!this.#open) return;
    const record = this.#lastRecord(ending.state, await offline);
    if ((await this.#writer.write({ t: 'ended', record })) !== 'written') return;
    metrics.duration.observe({ mode: record.mode }, this.#elapsedMs / 1_000);
    const kept = await this.#deps.records.keep(record, this.#kept.seq);
    // The result stream tells viewers; a record that stays behind is put right by whoever finds it running without an owner.
    if (kept.kind !== 'kept') logger.error('last record was not kept', { query: record.id, result: kept.kind });
    this.#close(record);
  }

  get #open(): boolean {
    return this.#state === 'finishing';
  }

  #lastRecord(state: Ending['state'], offline: number): QueryRecord {
    const { truncated, rows, ledger } = this.#tally;
    const record = {
      ...this.record,
      state,
      endedAtMs: this.#deps.clock.now(),
      ledger: ledger.snapshot(),
      offline,
      rows,
    };
    return truncated === undefined ? record : { ...record, truncated };
  }

  #close(record: QueryRecord): void {
    this.#state = 'ended';
    this.#kept = { ...this.#kept, record };
    const { metrics, logger } = this.#deps;
    metrics.ended.inc({ state: record.state, mode: record.mode });
    for (const outcome of OUTCOMES) metrics.endpoints.inc({ outcome }, record.ledger[outcome]);
    if (record.truncated !== undefined) metrics.truncated.inc();
    const { id, state, ledger, rows, truncated } = record;
    logger.info('query ended', { query: id, state, ledger, rows, truncated, tookMs: this.#elapsedMs });
    this.#resolveEnded(record);
  }

  /** The results are not ours to write any more, or cannot be written. */
  #abandon(result: Exclude<WriteResult, 'written'>): void {
    if (this.#state === 'ended') return;
    const wasRunning = this.#state === 'running';
    this.#state = 'ended';
    this.#stopTimers();
    const { id } = this.record;
    if (wasRunning) {
      this.#deps.bus.publish(SUBJECTS.gateways, encodeBusMessage({ t: 'query_stop', id, reason: 'interrupted' }));
    }
    this.#deps.logger.warn('query was given up', { query: id, why: result });
    this.#deps.metrics.ended.inc({ state: result, mode: this.record.mode });
    this.#resolveEnded(this.record);
  }

  #stopTimers(): void {
    const { clock } = this.#deps;
    clock.clear(this.#deadline);
    clock.clear(this.#tick);
    this.#pace.stop();
  }
}
