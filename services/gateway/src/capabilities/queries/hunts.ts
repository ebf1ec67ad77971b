import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type HuntStart,
  type HuntUnknown,
} from '@muster/messages';
import { parseSelector, withoutHealth, type CoordinatorId, type OrgId, type QueryId } from '@muster/protocol';
import { decodeNumberSet, NumberBits } from '@muster/records';
import type { Timer } from '@muster/runtime';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SessionView } from '../../foundation/session-view.js';
import { ActiveQuery } from './active-query.js';
import type { CreditPool } from './credit-pool.js';
import { SessionQueue } from './session-queue.js';
import { QueryRun, type QueryRunContext } from './query-run.js';

export interface HuntsOptions extends Pick<CapabilityContext, 'bus' | 'clock' | 'hub' | 'logger'> {
  readonly runContext: QueryRunContext;
  readonly credits: CreditPool;
  readonly updateBytes: number;
  readonly takeRef: () => number;
  /** Where frames of agents find their query; hunts add and remove themselves. */
  readonly byRef: Map<number, QueryRun>;
  /** Sessions that may be asked in a second: those that come back together are asked one after the other. */
  readonly huntRate: number;
}

interface Hunt {
  readonly run: QueryRun;
  readonly org: OrgId;
  /** The set that the query adds to: looked at for each hunt whenever an agent connects. */
  readonly settled: NumberBits;
  readonly revision: number;
}

const PUMP_MS = 100;
/** More hunts wait until one of these has an outcome: an endpoint runs a few statements at once. */
const HUNTS_PER_SESSION = 2;
const NEXT_HUNT_MS = 1_000;
/** A session that is paused for longer is found by the sweep. */
const WAIT_FOR_PAUSE_MS = 60_000;
/** Every session is looked at again: labels change, and who gave no answer is asked again. */
const SWEEP_MS = 300_000;
const KEEP_ALIVE_MS = 900;
/** While nothing is awaited: so long a lost report can stay unnoticed. */
const IDLE_UPDATE_MS = 60_000;
const COORDINATOR_SILENCE_MS = 15_000;
const LINGER_MS = 5_000;
const REMEMBER_ENDED_MS = 60_000;
const TERMS_TIMEOUT_MS = 3_000;

/**
 * The open hunts on this gateway. A session that becomes ready costs one look at a bit for each of them; a timer takes those that have not
 * settled from a queue, at a bounded rate, and asks. See docs/decisions/hunts.md.
 */
export class Hunts {
  readonly #options: HuntsOptions;
  readonly #byId = new Map<QueryId, Hunt>();
  readonly #queue = new SessionQueue();
  /** Those whose end was told. */
  readonly #ended = new Map<QueryId, number>();
  /** Where this gateway stopped numbering its updates for a coordinator. */
  readonly #seqs = new Map<QueryId, { readonly owner: CoordinatorId; readonly seq: number }>();
  readonly #askingTerms = new Set<QueryId>();
  #pump: Timer | undefined;
  #sweptAtMs = 0;
  #tokens = 0;

  constructor(options: HuntsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byId.size;
  }

  start(): void {
    const { clock } = this.#options;
    this.#sweptAtMs = clock.monotonic();
    this.#pump = clock.setInterval(() => this.#askDue(), PUMP_MS);
  }

  /** Sends out what was gathered and forgets all hunts. */
  stop(): void {
    this.#options.clock.clear(this.#pump);
    for (const { run } of this.#byId.values()) {
      run.flush();
      this.#remove(run);
    }
  }

  /** Forgets everything and sends nothing; heartbeats name the hunts again. */
  fenced(): void {
    for (const { run } of this.#byId.values()) this.#remove(run);
    this.#seqs.clear();
  }

  *runs(): Generator<QueryRun> {
    for (const { run } of this.#byId.values()) yield run;
  }

  /** The session may be asked something, if it has not settled in every hunt. */
  ready(session: SessionView): void {
    const { num, org } = session;
    for (const hunt of this.#byId.values()) {
      if (hunt.settled.has(num) || hunt.org !== org) continue;
      this.#queue.add(session);
      return;
    }
  }

  /** A hunt begins, or goes on under another coordinator or revision: then it starts over with the endpoints that are settled there. */
  begin(start: HuntStart): void {
    if (this.#ended.has(start.id)) return;
    const known = this.#byId.get(start.id);
    if (known !== undefined) {
      if (isSame(known, start.owner, start.revision)) return;
      if (known.run.query.start.owner === start.owner) known.run.flush();
      known.run.cancel('interrupted');
      this.#forget(known.run);
    }
    const settled = NumberBits.decode(start.settled);
    const query = this.#activeQuery(start, settled);
    if (query === undefined) return;
    const numbered = this.#seqs.get(start.id);
    const seq = numbered?.owner === start.owner ? numbered.seq : 0;
    this.#seqs.delete(start.id);
    const run = new QueryRun(query, this.#options.runContext, seq);
    this.#byId.set(start.id, { run, org: start.org, settled, revision: start.revision });
    this.#options.byRef.set(query.ref, run);
    // The coordinator hears at once that this gateway takes part.
    run.reportTargets({ joined: true, begins: true, targets: [] });
    for (const session of this.#options.hub.sessions()) if (!settled.has(session.num)) this.#queue.add(session);
  }

  end(id: QueryId): void {
    this.#ended.set(id, this.#options.clock.monotonic());
    this.#seqs.delete(id);
    const hunt = this.#byId.get(id);
    if (hunt === undefined) return;
    hunt.run.cancel('ended');
    this.#remove(hunt.run);
  }

  /** A coordinator lives, and names its hunts. */
  heard({ owner, hunts = [] }: CoordinatorHeartbeat): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [id, revision] of hunts) {
      const known = this.#byId.get(id);
      if (known !== undefined && isSame(known, owner, revision)) known.run.coordinatorHeardAtMs = nowMs;
      else if (!this.#ended.has(id)) void this.#askTerms(owner, id);
    }
  }

  keepAlive(): void {
    const nowMs = this.#options.clock.monotonic();
    for (const { run } of this.#byId.values()) {
      const { query } = run;
      if (nowMs > query.deadlineMs + LINGER_MS) this.end(query.start.id);
      else if (nowMs - run.coordinatorHeardAtMs > COORDINATOR_SILENCE_MS) {
        run.cancel('interrupted');
        this.#forget(run);
      } else {
        run.expireAsked();
        const every = query.waiting > 0 ? KEEP_ALIVE_MS : IDLE_UPDATE_MS;
        if (nowMs - run.updatedAtMs >= every) run.flush();
      }
    }
    for (const [id, endedAtMs] of this.#ended) if (nowMs - endedAtMs > REMEMBER_ENDED_MS) this.#ended.delete(id);
  }

  async #askTerms(owner: CoordinatorId, id: QueryId): Promise<void> {
    if (this.#askingTerms.has(id)) return;
    this.#askingTerms.add(id);
    try {
      const request = encodeBusMessage({ t: 'hunt_terms', id });
      const { bus } = this.#options;
      const result = await bus.request(SUBJECTS.coordinatorHunts(owner), request, { timeoutMs: TERMS_TIMEOUT_MS });
      if (result.kind !== 'reply') return;
      const reply = decodeBusMessage<HuntStart | HuntUnknown>(result.data, 'hunt_start', 'hunt_unknown');
      if (reply?.t === 'hunt_start') this.begin(reply);
    } finally {
      this.#askingTerms.delete(id);
    }
  }

  #activeQuery(start: HuntStart, settled: NumberBits): ActiveQuery | undefined {
    const { askMs, through } = start;
    const { logger, clock, credits, takeRef, updateBytes } = this.#options;
    const selector = parseSelector(start.selector);
    if (!selector.ok) {
      logger.error('hunt with a selector that does not parse', { query: start.id });
      return undefined;
    }
    return new ActiveQuery({
      // Without the bytes of `settled`, which would stay in memory.
      start: { ...start, t: 'query_start', ...{ settled: undefined } },
      ...(start.among === undefined
        ? { selector: selector.selector }
        : { selector: withoutHealth(selector.selector), among: new Set(decodeNumberSet(start.among)) }),
      ref: takeRef(),
      deadlineMs: clock.monotonic() + start.deadlineMs - start.nowMs,
      ...{ credits, updateBytes },
      hunt: {
        askMs,
        through: through ?? Number.POSITIVE_INFINITY,
        settled,
        nowMs: () => clock.monotonic(),
      },
    });
  }

  #askDue(): void {
    const { clock, hub, huntRate } = this.#options;
    const nowMs = clock.monotonic();
    if (this.#byId.size === 0) {
      this.#queue.clear();
      return;
    }
    if (nowMs - this.#sweptAtMs >= SWEEP_MS) {
      this.#sweptAtMs = nowMs;
      for (const session of hub.sessions()) this.ready(session);
    }
    const perPump = (huntRate * PUMP_MS) / 1_000;
    this.#tokens = Math.min(this.#tokens + perPump, Math.max(perPump, 1));
    const asked = new Map<Hunt, SessionView[]>();
    while (this.#tokens >= 1) {
      const session = this.#queue.takeDue(nowMs);
      if (session === undefined) break;
      this.#tokens -= 1;
      if (hub.get(session.agentId) === session) this.#choose(session, nowMs, asked);
    }
    for (const [{ run }, sessions] of asked) {
      run.reportTargets({ joined: true, targets: sessions });
      run.ask(sessions, true);
    }
  }

  /** Adds the session to the hunts that ask it now; it comes back to the queue where one has to wait. */
  #choose(session: SessionView, nowMs: number, asked: Map<Hunt, SessionView[]>): void {
    const { hub } = this.#options;
    const { num } = session;
    const open: Hunt[] = [];
    let running = 0;
    let againMs = Number.POSITIVE_INFINITY;
    for (const hunt of this.#byId.values()) {
      const { query } = hunt.run;
      if (hunt.settled.has(num)) continue;
      if (query.awaits(session)) running += 1;
      else if (query.over || query.start.org !== session.org || !query.mayMean(num)) continue;
      else if (query.pausedUntilMs(num) > nowMs) againMs = Math.min(againMs, query.pausedUntilMs(num));
      else if (hub.matches(session, query.selector)) open.push(hunt);
    }
    const room = Math.max(0, HUNTS_PER_SESSION - running);
    for (const hunt of open.slice(0, room)) {
      const sessions = asked.get(hunt);
      if (sessions === undefined) asked.set(hunt, [session]);
      else sessions.push(session);
    }
    if (open.length > room) againMs = nowMs + NEXT_HUNT_MS;
    if (againMs - nowMs <= WAIT_FOR_PAUSE_MS) this.#queue.addLater(session, againMs);
  }

  /** Forgets a hunt that may come back; its updates are numbered on for the same coordinator. */
  #forget(run: QueryRun): void {
    const { id, owner } = run.query.start;
    this.#seqs.set(id, { owner, seq: run.seq });
    this.#remove(run);
  }

  #remove(run: QueryRun): void {
    run.forget();
    this.#byId.delete(run.query.start.id);
    this.#options.byRef.delete(run.query.ref);
  }
}

const isSame = ({ run, revision }: Hunt, owner: CoordinatorId, newRevision: number): boolean =>
  run.query.start.owner === owner && revision === newRevision;
