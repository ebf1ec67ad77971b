import type { BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type HuntStart,
  type QueryStart,
  type QueryStop,
} from '@muster/messages';
import {
  CAPABILITY,
  encodeBody,
  encodeFrame,
  FLAG_FINAL,
  FRAME,
  LIMITS,
  parseSelector,
  withoutHealth,
  type Header,
  type QueryId,
} from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import type { Timer } from '@muster/runtime';
import { malformed, type Capability, type CapabilityContext, type FrameFault } from '../../foundation/capability.js';
import type { SessionView, SuccessorView } from '../../foundation/session-view.js';
import { ActiveQuery } from './active-query.js';
import { CreditPool } from './credit-pool.js';
import { Hunts } from './hunts.js';
import { PackSource } from './pack-source.js';
import { createQueryMetrics } from './query-metrics.js';
import { QueryRun, type QueryRunContext } from './query-run.js';

export interface QueryHandlerOptions extends CapabilityContext {
  readonly successors: SuccessorView;
  /** Memory for answers that are not complete. */
  readonly creditBytes: number;
  /** Sessions that hunts may ask in a second. */
  readonly huntRate: number;
}

/** An update at least this often, so that the coordinator can tell a quiet gateway from a dead one. */
const KEEP_ALIVE_MS = 900;
/** Below the broker's usual 1 MB, with room for the rest of the update. */
const UPDATE_BYTES = 512 * 1024;
/** A coordinator that is silent for so long is taken for gone, until it is heard again. */
const COORDINATOR_SILENCE_MS = 15_000;
/** Longer than a broadcast and a move can overtake each other. */
const RECENT_MOVE_MS = 10_000;
/** A query stays known so long after its deadline, so that a late heartbeat does not start it again. */
const LINGER_MS = 5_000;
const REMEMBER_ENDED_MS = 60_000;
/** As long as a query may run. */
const REMEMBER_GIVEN_UP_MS = LIMITS.queryTimeoutMaxMs;

/** Queries on this gateway: asks its sessions, gathers what they answer, sends it to the coordinators. */
export class QueryHandler implements Capability {
  readonly name = CAPABILITY.query;
  readonly alsoSaid = [CAPABILITY.parameters, CAPABILITY.packs];
  readonly frames: Capability['frames'] = [
    { type: FRAME.rows, hasRef: true, handle: (session, header, body) => this.#rows(session, header, body) },
    { type: FRAME.warnings, hasRef: true, handle: (session, header, body) => this.#warnings(session, header, body) },
    { type: FRAME.progress, hasRef: true, handle: (session, header, body) => this.#progress(session, header, body) },
    { type: FRAME.packWanted, hasRef: true, handle: (session, header) => this.#packWanted(session, header) },
    { type: FRAME.queryEnd, hasRef: true, handle: (session, header, body) => this.#queryEnd(session, header, body) },
  ];
  readonly #options: QueryHandlerOptions;
  readonly #runContext: QueryRunContext;
  readonly #credits: CreditPool;
  readonly #byId = new Map<QueryId, QueryRun>();
  readonly #byRef = new Map<number, QueryRun>();
  /** Those whose end was told, or whose deadline has passed: a heartbeat that was on its way does not start them again. */
  readonly #ended = new Map<QueryId, number>();
  /** Those that were given up because their coordinator was silent. Should it be heard again, its updates are numbered on. */
  readonly #givenUp = new Map<QueryId, { readonly seq: number; readonly atMs: number }>();
  readonly #hunts: Hunts;
  readonly #packs: PackSource;
  /** Ended sessions of which it is not yet known whether their agents have moved. */
  readonly #leaving = new Set<Promise<void>>();
  #nextRef = 1;
  #tick: Timer | undefined;
  #subscriptions: BusSubscription[] = [];

  constructor(options: QueryHandlerOptions) {
    this.#options = options;
    this.#runContext = { ...options, metrics: createQueryMetrics(options.metrics, () => this.#byId.size) };
    this.#packs = new PackSource(options);
    this.#credits = new CreditPool({ limitBytes: options.creditBytes, stepBytes: LIMITS.budgetBytes });
    this.#hunts = new Hunts({
      ...options,
      runContext: this.#runContext,
      credits: this.#credits,
      updateBytes: UPDATE_BYTES,
      takeRef: () => this.#takeRef(),
      byRef: this.#byRef,
    });
  }

  start(): void {
    const { bus, clock, identity } = this.#options;
    this.#tick = clock.setInterval(() => this.#keepAlive(), KEEP_ALIVE_MS / 3);
    this.#hunts.start();
    this.#subscriptions = [
      bus.subscribe(SUBJECTS.gateways, ({ data }) => {
        identity.checkLease();
        const message = decodeBusMessage<QueryStart | QueryStop | HuntStart>(
          data,
          'query_start',
          'query_stop',
          'hunt_start',
        );
        if (message?.t === 'query_start') this.#started(message, { late: false });
        else if (message?.t === 'hunt_start') this.#hunts.begin(message);
        else if (message?.t === 'query_stop') {
          this.#end(message.id, 'ended');
          this.#hunts.end(message.id);
        }
      }),
      bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
        identity.checkLease();
        const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
        if (heartbeat === undefined) return;
        this.#heard(heartbeat);
        this.#hunts.heard(heartbeat);
      }),
    ];
  }

  /** Sends out what was gathered and forgets all queries; sessions that are waited for stay without an outcome. */
  async stop(): Promise<void> {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
    this.#options.clock.clear(this.#tick);
    await Promise.all(this.#leaving);
    this.#hunts.stop();
    for (const run of this.#byId.values()) {
      run.flush();
      run.forget();
      this.#remove(run);
    }
  }

  /**
   * Forgets everything and sends nothing: coordinators have stopped believing the former id. The queries go on all the same: the next
   * heartbeat of a coordinator starts them again for the sessions that return.
   */
  fenced(): void {
    for (const run of this.#byId.values()) {
      run.forget();
      this.#remove(run);
    }
    this.#givenUp.clear();
    this.#hunts.fenced();
  }

  /** Whatever runs and selects the session is asked of it too. */
  ready(session: SessionView): void {
    for (const run of this.#byId.values()) {
      const { query } = run;
      if (query.over || query.start.org !== session.org || !query.mayAsk(session.num)) continue;
      if (!this.#options.hub.matches(session, query.selector)) continue;
      run.reportTargets({ joined: true, targets: [session] });
      run.ask([session], true);
    }
    this.#hunts.ready(session);
  }

  /** Hunts may select it now. */
  relabelled(session: SessionView): void {
    this.#hunts.ready(session);
  }

  /**
   * What was awaited of the session is handed over when its agent has a newer one: it is asked again there. An agent leaves as soon as the
   * newer one is ready, and the other gateway's word may reach the coordinator after ours.
   */
  closed(session: SessionView): void {
    const runs = [...this.#byId.values(), ...this.#hunts.runs()].filter(({ query }) => query.awaits(session));
    if (runs.length === 0) return;
    const settle = (hasMoved: boolean): void => {
      for (const run of runs) if (run.query.sessionClosed(session, hasMoved)) run.gathered();
    };
    const { hub, successors } = this.#options;
    // A newer session here was asked when it became ready, if the query selects it.
    if (hub.get(session.agentId) !== undefined) {
      settle(false);
      return;
    }
    const leaving: Promise<void> = successors.hasSuccessor(session).then((hasSuccessor) => {
      this.#leaving.delete(leaving);
      // Not to know is no reason to tell that it is gone: the coordinator waits for a while.
      settle(hasSuccessor !== false);
    });
    this.#leaving.add(leaving);
  }

  /** A query begins. With `late` this gateway missed the beginning: the coordinator may know its agents from elsewhere. */
  #started(start: QueryStart, { late }: { readonly late: boolean }): void {
    if (this.#byId.has(start.id) || this.#ended.has(start.id)) return;
    const { logger, clock, hub } = this.#options;
    const selector = parseSelector(start.selector);
    if (!selector.ok) {
      logger.error('query with a selector that does not parse', { query: start.id });
      return;
    }
    const nowMs = clock.monotonic();
    const query = new ActiveQuery({
      start,
      ...(start.among === undefined
        ? { selector: selector.selector }
        : { selector: withoutHealth(selector.selector), among: new Set(decodeNumberSet(start.among)) }),
      ref: this.#takeRef(),
      deadlineMs: nowMs + start.deadlineMs - start.nowMs,
      credits: this.#credits,
      updateBytes: UPDATE_BYTES,
    });
    if (query.fault !== undefined)
      logger.error('query that agents would not take', { query: start.id, fault: query.fault });
    const run = new QueryRun(query, this.#runContext, this.#givenUp.get(start.id)?.seq);
    this.#givenUp.delete(start.id);
    this.#byId.set(start.id, run);
    this.#byRef.set(query.ref, run);
    const selected = hub.select(start.org, query.selector);
    const targets = start.among === undefined ? selected : selected.filter(({ num }) => query.mayMean(num));
    if (late) {
      run.reportTargets({ joined: true, targets });
      run.ask(targets, true);
      return;
    }
    // The broadcast may have reached an agent's former gateway while it was still there: agents that moved a moment ago answer apart.
    const hasMoved = ({ movedAtMs }: SessionView): boolean => nowMs - movedAtMs < RECENT_MOVE_MS;
    const moved = targets.filter(hasMoved);
    const settled = moved.length === 0 ? targets : targets.filter((session) => !hasMoved(session));
    run.reportTargets({ joined: false, targets: settled, moved });
    run.ask(settled, false);
    if (moved.length > 0) run.ask(moved, true);
  }

  #end(id: QueryId, reason: string): void {
    this.#ended.set(id, this.#options.clock.monotonic());
    this.#givenUp.delete(id);
    const run = this.#byId.get(id);
    if (run === undefined) return;
    run.cancel(reason);
    this.#remove(run);
  }

  /** Its coordinator is silent: agents stop working on it, and it is not known whether it has ended. */
  #giveUp(run: QueryRun, nowMs: number): void {
    run.cancel('interrupted');
    this.#givenUp.set(run.query.start.id, { seq: run.seq, atMs: nowMs });
    this.#remove(run);
  }

  /** A coordinator lives and names what it runs. */
  #heard({ queries }: CoordinatorHeartbeat): void {
    const nowMs = this.#options.clock.monotonic();
    for (const start of queries) {
      const run = this.#byId.get(start.id);
      if (run === undefined) this.#started(start, { late: true });
      else run.coordinatorHeardAtMs = nowMs;
    }
  }

  #rows(session: SessionView, { ref, flags }: Header, body: Uint8Array): undefined {
    const run = this.#byRef.get(ref);
    if (run === undefined) return;
    run.query.rows(session, body, flags === FLAG_FINAL);
    run.gathered();
  }

  #queryEnd(session: SessionView, { ref }: Header, body: Uint8Array): FrameFault | undefined {
    const run = this.#byRef.get(ref);
    if (run === undefined) return undefined;
    if (!run.query.queryEnd(session, body)) return malformed('query end');
    run.gathered();
    return undefined;
  }

  /** Its agent does not have the checks of a scan. A session that is not asked, or not any more, gets nothing. */
  #packWanted(session: SessionView, { ref }: Header): undefined {
    const query = this.#byRef.get(ref)?.query;
    if (query?.start.pack === undefined || !query.mayWantPack(session)) return;
    void this.#packs.checksOf(query.start.org, query.start.pack).then((checks) => {
      if (query.awaits(session)) session.send(encodeFrame(FRAME.pack, ref, encodeBody('pack', { checks })));
    });
  }

  #warnings(session: SessionView, { ref }: Header, body: Uint8Array): FrameFault | undefined {
    const query = this.#byRef.get(ref)?.query;
    return query === undefined || query.warnings(session, body) ? undefined : malformed('warnings');
  }

  /** It goes on with the next update, or sign of life. */
  #progress(session: SessionView, { ref }: Header, body: Uint8Array): FrameFault | undefined {
    const query = this.#byRef.get(ref)?.query;
    const nowMs = this.#options.clock.monotonic();
    return query === undefined || query.progress(session, body, nowMs) ? undefined : malformed('progress');
  }

  #takeRef(): number {
    const ref = this.#nextRef;
    this.#nextRef = ref >= 0xffff_fffe ? 1 : ref + 1;
    return ref;
  }

  #remove({ query }: QueryRun): void {
    this.#byId.delete(query.start.id);
    this.#byRef.delete(query.ref);
  }

  #keepAlive(): void {
    this.#hunts.keepAlive();
    const nowMs = this.#options.clock.monotonic();
    for (const run of this.#byId.values()) {
      const { start, deadlineMs } = run.query;
      if (nowMs > deadlineMs + LINGER_MS) this.#end(start.id, 'ended');
      else if (nowMs - run.coordinatorHeardAtMs > COORDINATOR_SILENCE_MS) this.#giveUp(run, nowMs);
      else if (nowMs - run.updatedAtMs >= KEEP_ALIVE_MS) run.flush();
    }
    for (const [id, endedAtMs] of this.#ended) if (nowMs - endedAtMs > REMEMBER_ENDED_MS) this.#ended.delete(id);
    for (const [id, { atMs }] of this.#givenUp) if (nowMs - atMs > REMEMBER_GIVEN_UP_MS) this.#givenUp.delete(id);
  }
}
