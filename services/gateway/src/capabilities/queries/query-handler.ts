import type { Bus } from '@muster/bus';
import {
  encodeBusMessage,
  SUBJECTS,
  type GatewayUpdate,
  type CoordinatorHeartbeat,
  type QueryStart,
  type QueryStop,
  type TargetedUpdate,
} from '@muster/messages';
import { encodeBody, encodeFrame, FRAME, LIMITS, parseSelector, type GatewayId, type QueryId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { Hub } from '../../sessions/hub/hub.js';
import type { Session } from '../../sessions/hub/session.js';
import { ActiveQuery } from './active-query.js';
import { CreditPool } from './credit-pool.js';
import type { QueryMetrics } from './query-metrics.js';

export interface QueryHandlerOptions {
  readonly bus: Bus;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: QueryMetrics;
  /** This incarnation's id; another one after a fencing. */
  readonly gatewayId: () => GatewayId;
  /** Memory for answers that are not complete. */
  readonly creditBytes: number;
}

interface Running {
  readonly query: ActiveQuery;
  seq: number;
  reportedAtMs: number;
  flushTimer: Timer | undefined;
  /** A flush for the end of this turn of the event loop is due. */
  flushDue: boolean;
  deadlineTimer: Timer | undefined;
  ownerHeardAtMs: number;
}

/** Between reports while answers come in. */
const FLUSH_MS = 100;
/** A report at least this often, so that the owner can tell a quiet gateway from a dead one. */
const KEEP_ALIVE_MS = 900;
/** Gathered bytes that are sent on at once. */
const FLUSH_BYTES = 192 * 1024;
/** What one query may hold back while the broker is away. */
const HELD_BYTES = 32 * 1024 * 1024;
/** Below the broker's usual 1 MB, with room for the rest of the report. */
const REPORT_BYTES = 512 * 1024;
/** Sessions that are asked before the loop turns to answers again: the first answers need not wait for the last question. */
const ASK_SLICE = 500;
/** An owner that nobody hears for so long is gone, and so are its queries. */
const OWNER_SILENCE_MS = 15_000;
/** Longer than a broadcast and a move can overtake each other. */
const RECENT_MOVE_MS = 10_000;
/** A query stays known so long after its deadline, so that a late beat does not start it again. */
const LINGER_MS = 5_000;

/** Queries on this gateway: asks its sessions, gathers what they answer, reports to the owners. */
export class QueryHandler {
  readonly #options: QueryHandlerOptions;
  readonly #credits: CreditPool;
  readonly #byId = new Map<QueryId, Running>();
  readonly #byRef = new Map<number, Running>();
  /** Ended ones, so that a beat that was on its way does not start them again. */
  readonly #ended = new Map<QueryId, number>();
  #nextRef = 1;
  #tick: Timer | undefined;

  constructor(options: QueryHandlerOptions) {
    this.#options = options;
    this.#credits = new CreditPool({ limitBytes: options.creditBytes, stepBytes: LIMITS.budgetBytes });
  }

  get active(): number {
    return this.#byId.size;
  }

  start(): void {
    this.#tick = this.#options.clock.setInterval(() => this.#keepAlive(), KEEP_ALIVE_MS / 3);
  }

  /** Sends out what was gathered and forgets all queries; sessions that are waited for stay without an outcome. */
  stop(): void {
    this.#options.clock.clear(this.#tick);
    for (const running of this.#byId.values()) {
      this.#flush(running);
      this.#forget(running);
    }
  }

  /** Forgets everything and reports nothing: this gateway may have been replaced while it was not looking. */
  fence(): void {
    for (const running of this.#byId.values()) this.#forget(running);
  }

  /** A query begins. With `late` this gateway missed the beginning: the owner may know its agents from elsewhere. */
  queryStarted(start: QueryStart, late: boolean): void {
    if (this.#byId.has(start.id) || this.#ended.has(start.id)) return;
    const selector = parseSelector(start.selector);
    if (!selector.ok) {
      this.#options.logger.error('query with a selector that does not parse', { query: start.id });
      return;
    }
    const nowMs = this.#options.clock.monotonic();
    const query = new ActiveQuery({
      start,
      selector: selector.selector,
      ref: this.#takeRef(),
      deadlineMs: nowMs + start.deadlineMs - start.nowMs,
      credits: this.#credits,
      reportBytes: REPORT_BYTES,
    });
    const running = this.#remember(query, nowMs);
    const targets = this.#options.hub.select(start.org, query.selector);
    if (late) {
      this.#reportTargets(running, { joined: true, targets });
      this.#ask(running, targets, true);
      return;
    }
    // The broadcast may have reached an agent's former gateway while it was still there: who moved a moment ago answers apart.
    const hasMoved = ({ movedAtMs }: Session): boolean => nowMs - movedAtMs < RECENT_MOVE_MS;
    const moved = targets.filter(hasMoved);
    const settled = moved.length === 0 ? targets : targets.filter((session) => !hasMoved(session));
    this.#reportTargets(running, { joined: false, targets: settled, moved });
    this.#ask(running, settled, false);
    if (moved.length > 0) this.#ask(running, moved, true);
  }

  queryStopped({ id }: QueryStop): void {
    this.#ended.set(id, this.#options.clock.monotonic());
    const running = this.#byId.get(id);
    if (running === undefined) return;
    this.#cancel(running, running.query.abandon(), 'ended');
    this.#forget(running);
  }

  /** An owner lives and names what it runs. */
  coordinatorHeartbeat(beat: CoordinatorHeartbeat): void {
    const nowMs = this.#options.clock.monotonic();
    for (const start of beat.queries) {
      const running = this.#byId.get(start.id);
      if (running === undefined) this.queryStarted(start, true);
      else running.ownerHeardAtMs = nowMs;
    }
  }

  /** A session became ready: whatever runs and selects it is asked of it too. */
  sessionReady(session: Session): void {
    for (const running of this.#byId.values()) {
      const { query } = running;
      if (query.over || query.start.org !== session.org || query.hasHeard(session.num)) continue;
      if (!this.#options.hub.matches(session, query.selector)) continue;
      this.#reportTargets(running, { joined: true, targets: [session] });
      this.#ask(running, [session], true);
    }
  }

  sessionClosed(session: Session): void {
    for (const running of this.#byId.values()) {
      if (running.query.sessionClosed(session)) this.#gathered(running);
    }
  }

  rows(session: Session, ref: number, frame: { readonly body: Uint8Array; readonly final: boolean }): void {
    const running = this.#byRef.get(ref);
    if (running === undefined) return;
    running.query.rows(session, frame.body, frame.final);
    this.#gathered(running);
  }

  /** Returns false when the body is malformed. */
  queryEnd(session: Session, ref: number, body: Uint8Array): boolean {
    const running = this.#byRef.get(ref);
    if (running === undefined) return true;
    if (!running.query.queryEnd(session, body)) return false;
    this.#gathered(running);
    return true;
  }

  #takeRef(): number {
    const ref = this.#nextRef;
    this.#nextRef = ref >= 0xffff_fffe ? 1 : ref + 1;
    return ref;
  }

  #remember(query: ActiveQuery, nowMs: number): Running {
    const { clock } = this.#options;
    const running: Running = {
      query,
      seq: 0,
      reportedAtMs: nowMs,
      flushTimer: undefined,
      flushDue: false,
      deadlineTimer: undefined,
      ownerHeardAtMs: nowMs,
    };
    running.deadlineTimer = clock.setTimeout(() => this.#deadline(running), Math.max(0, query.deadlineMs - nowMs));
    this.#byId.set(query.start.id, running);
    this.#byRef.set(query.ref, running);
    return running;
  }

  #forget(running: Running): void {
    const { clock } = this.#options;
    const { query } = running;
    clock.clear(running.flushTimer);
    clock.clear(running.deadlineTimer);
    query.abandon();
    this.#byId.delete(query.start.id);
    this.#byRef.delete(query.ref);
    this.#ended.set(query.start.id, clock.monotonic());
  }

  /** Asks those who can answer; the others have their outcome at once. */
  #ask(running: Running, targets: readonly Session[], joined: boolean): void {
    const { clock, metrics } = this.#options;
    const { query } = running;
    const able = targets.filter(({ profile }) => profile?.canQuery === true);
    if (able.length < targets.length) {
      query.refuse(targets.filter(({ profile }) => profile?.canQuery !== true));
      this.#gathered(running);
    }
    const frame = query.ask(able, { joined, nowMs: clock.monotonic() });
    metrics.asked.inc(able.length);
    const askFrom = (from: number): void => {
      if (query.over) return;
      for (const session of able.slice(from, from + ASK_SLICE)) session.send(frame);
      if (from + ASK_SLICE < able.length) setImmediate(askFrom, from + ASK_SLICE);
    };
    askFrom(0);
  }

  #reportTargets(
    running: Running,
    asked: { readonly joined: boolean; readonly targets: readonly Session[]; readonly moved?: readonly Session[] },
  ): void {
    const { joined, targets, moved = [] } = asked;
    const setOf = (sessions: readonly Session[]): Uint8Array => encodeNumberSet(sessions.map(({ num }) => num));
    const sets = { targets: setOf(targets), ...(moved.length === 0 ? {} : { moved: setOf(moved) }) };
    const polls = pollsOf([...targets, ...moved], this.#options.clock.monotonic());
    this.#report(running, (address) => ({ t: 'targeted', ...address, joined, ...sets, ...polls }));
  }

  /** Decides when what was just gathered is sent on: the first at once, the last at once, the rest in time or when it is much. */
  #gathered(running: Running): void {
    const { query } = running;
    if (query.aggregator.size === 0 || running.flushDue) return;
    const isUrgent = query.waiting === 0 || running.seq <= 1 || query.aggregator.byteLength >= FLUSH_BYTES;
    if (isUrgent) {
      running.flushDue = true;
      setImmediate(() => {
        running.flushDue = false;
        if (this.#byId.get(query.start.id) === running) this.#flush(running);
      });
      return;
    }
    running.flushTimer ??= this.#options.clock.setTimeout(() => this.#flush(running), FLUSH_MS);
  }

  #flush(running: Running): void {
    const { bus, clock } = this.#options;
    clock.clear(running.flushTimer);
    running.flushTimer = undefined;
    // While the broker is away a report would be lost: what was gathered waits for the next sign of life, within bounds.
    if (!bus.connected && running.query.aggregator.byteLength < HELD_BYTES) return;
    const contents = running.query.aggregator.drain();
    const settled = running.query.waiting === 0;
    for (const content of contents) {
      this.#report(running, (address) => ({ t: 'partial', ...address, settled: settled && !content.more, ...content }));
    }
  }

  #report(running: Running, make: (address: Pick<GatewayUpdate, 'query' | 'gateway' | 'seq'>) => GatewayUpdate): void {
    const { bus, gatewayId, clock, metrics } = this.#options;
    const { start } = running.query;
    const bytes = encodeBusMessage(make({ query: start.id, gateway: gatewayId(), seq: running.seq }));
    running.seq += 1;
    running.reportedAtMs = clock.monotonic();
    const result = bus.publish(SUBJECTS.coordinatorInbox(start.owner), bytes);
    metrics.reports.inc({ result });
    metrics.reportBytes.inc(bytes.length);
  }

  #deadline(running: Running): void {
    running.deadlineTimer = undefined;
    this.#cancel(running, running.query.expire(), 'deadline');
    this.#flush(running);
  }

  #cancel(running: Running, sessions: readonly Session[], reason: string): void {
    if (sessions.length === 0) return;
    const frame = encodeFrame(FRAME.cancel, running.query.ref, encodeBody('cancel', { reason }));
    for (const session of sessions) session.send(frame);
  }

  #keepAlive(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const running of this.#byId.values()) {
      const { query } = running;
      const isOrphan = nowMs - running.ownerHeardAtMs > OWNER_SILENCE_MS;
      if (isOrphan || nowMs > query.deadlineMs + LINGER_MS) {
        this.#cancel(running, query.abandon(), isOrphan ? 'interrupted' : 'ended');
        this.#forget(running);
      } else if (nowMs - running.reportedAtMs >= KEEP_ALIVE_MS) {
        this.#flush(running);
      }
    }
    for (const [id, endedAtMs] of this.#ended) if (nowMs - endedAtMs > 60_000) this.#ended.delete(id);
  }
}

/** Those that hear of it only when they come for it. */
function pollsOf(sessions: readonly Session[], nowMs: number): Pick<TargetedUpdate, 'polls'> {
  const polling = sessions.filter(({ mode }) => mode === 'poll');
  if (polling.length === 0) return {};
  const lastMs = polling.reduce((last, { connection }) => Math.max(last, connection.dueMs ?? nowMs), nowMs);
  const nums = encodeNumberSet(polling.map(({ num }) => num));
  return { polls: { nums, withinMs: Math.round(lastMs - nowMs) } };
}
