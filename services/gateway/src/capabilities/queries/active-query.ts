import { MOVED_CODE, type QueryStart } from '@muster/messages';
import {
  bodyFault,
  decodeBody,
  encodeBody,
  encodeFrame,
  FRAME,
  LIMITS,
  scanAnswerFault,
  type AgentOutcome,
  type Outcome,
  type ProgressBody,
  type QueryBody,
  type Selector,
  type WarningsBody,
} from '@muster/protocol';
import type { NumberBits, Working } from '@muster/records';
import type { SessionView } from '../../foundation/session-view.js';
import { ByteStore } from './byte-store.js';
import type { CreditPool, CreditTaker } from './credit-pool.js';
import { PartialAggregator } from './partial-aggregator.js';

/** One session that was asked and has not settled. */
class Asked implements CreditTaker {
  readonly session: SessionView;
  /** Asked after the query had begun: the coordinator may have its answer from elsewhere already. */
  readonly joined: boolean;
  /** Monotonic; when it is not waited for any more, unless the query ends before. */
  readonly untilMs: number;
  readonly #ref: number;
  credit: number;
  granted = 0;
  received = 0;
  store: ByteStore | undefined;
  warnings: WarningsBody['warnings'] = [];
  hasPack = false;
  progress: ProgressBody | undefined;
  /** Monotonic; when it said so. */
  progressAtMs = Number.NEGATIVE_INFINITY;

  constructor(session: SessionView, options: { joined: boolean; untilMs: number; ref: number; credit: number }) {
    this.session = session;
    this.joined = options.joined;
    this.untilMs = options.untilMs;
    this.#ref = options.ref;
    this.credit = options.credit;
  }

  grant(bytes: number): void {
    this.credit += bytes;
    this.session.send(encodeFrame(FRAME.credit, this.#ref, encodeBody('credit', { bytes })));
  }
}

export interface ActiveQueryOptions {
  readonly start: QueryStart;
  readonly selector: Selector;
  /** Only these endpoints, where the query selects by what gateways do not know. */
  readonly among?: ReadonlySet<number>;
  /** This gateway's handle of the query; agents repeat it in their frames. */
  readonly ref: number;
  /** Monotonic. */
  readonly deadlineMs: number;
  readonly credits: CreditPool;
  readonly updateBytes: number;
  /** Only of a hunt. */
  readonly hunt?: HuntLimits;
}

/** What a hunt asks, and of whom. */
export interface HuntLimits {
  /** How long one endpoint may take. */
  readonly askMs: number;
  /** Agents with a higher number are not asked. */
  readonly through: number;
  /** Who has settled; endpoints that settle here are added. */
  readonly settled: NumberBits;
  /** Monotonic. */
  readonly nowMs: () => number;
}

/** What the endpoint said of itself is final, but for this: it had no room for the query at that moment. */
const BUSY_CODE = 'busy';
/** After the first, second … time without an answer a hunt asks an endpoint again no sooner than this. */
const HUNT_PAUSES_MS = [5_000, 60_000, 600_000, 3_600_000, 21_600_000] as const;
/** Beyond the time of the endpoint: what it has to say may be on the way. */
const ASK_GRACE_MS = 5_000;

/** More than an endpoint looks at in a millisecond of its budget. */
const MAX_LOOKED_PER_MS = 1_000;

/** Sessions of one endpoint that ended while its answer was awaited. After so many the endpoint is not asked again here. */
const LOST_SESSIONS = 3;

/** One query on this gateway: whom it asked, who has not settled, and what was gathered since the last update. */
export class ActiveQuery {
  readonly start: QueryStart;
  readonly selector: Selector;
  readonly #among: ReadonlySet<number> | undefined;
  readonly ref: number;
  readonly deadlineMs: number;
  readonly aggregator: PartialAggregator;
  /** Why agents would not take the question, or `undefined`. Then nobody is asked. */
  readonly fault: string | undefined;
  /** Set when the deadline has passed: no more sessions are asked. */
  over = false;
  readonly #credits: CreditPool;
  readonly #waiting = new Map<number, Asked>();
  /** Endpoints that answered here, or said why they do not: that is final. */
  readonly #heard: Pick<Set<number>, 'has'> & { add(num: number): unknown };
  readonly #hunt: HuntLimits | undefined;
  #hasProgress = false;
  /** How many sessions of an endpoint ended while its answer was awaited; of a hunt, how often it was asked in vain, and when. */
  readonly #lost = new Map<number, { times: number; atMs: number }>();

  constructor(options: ActiveQueryOptions) {
    const { start } = options;
    this.start = start;
    this.selector = options.selector;
    this.#among = options.among;
    this.ref = options.ref;
    this.deadlineMs = options.deadlineMs;
    this.#credits = options.credits;
    this.#hunt = options.hunt;
    this.#heard = options.hunt?.settled ?? new Set();
    const { pack } = start;
    this.aggregator = new PartialAggregator({
      form: start.mode,
      columns: start.columns.length,
      maxRows: start.budget.rows,
      updateBytes: options.updateBytes,
      // Each check once: nothing that an endpoint leaves out or makes up is counted.
      ...(pack === undefined ? {} : { faultOf: (rows: Uint8Array) => scanAnswerFault(rows, pack.checks) }),
    });
    this.fault = bodyFault('query', this.#body(options.deadlineMs, 0));
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  waitingSessions(): SessionView[] {
    return Array.from(this.#waiting.values(), ({ session }) => session);
  }

  /** It may be one of the endpoints that the query is for, whatever its labels are. */
  mayMean(num: number): boolean {
    return (
      (this.#among === undefined || this.#among.has(num)) && (this.#hunt === undefined || num <= this.#hunt.through)
    );
  }

  /** Whether asking an endpoint again is of use: it has neither answered here nor lost a session each time it was asked. */
  mayAsk(num: number): boolean {
    return this.mayMean(num) && !this.#heard.has(num) && (this.#lost.get(num)?.times ?? 0) < LOST_SESSIONS;
  }

  /** Of a hunt: when the endpoint may be asked again (monotonic); 0 when it was not asked in vain. */
  pausedUntilMs(num: number): number {
    const lost = this.#lost.get(num);
    return lost === undefined ? 0 : lost.atMs + (HUNT_PAUSES_MS[lost.times - 1] ?? HUNT_PAUSES_MS.at(-1) ?? 0);
  }

  /** Of a hunt: those whose time is over have timed out. Returns their sessions, so that the query can be cancelled there. */
  expireAsked(nowMs: number): SessionView[] {
    const late = [...this.#waiting.values()].filter(({ untilMs }) => untilMs <= nowMs);
    for (const asked of late) {
      this.#fail(asked, 'timed_out', { code: 'deadline', message: 'no whole answer came in time; it is asked again' });
    }
    return late.map(({ session }) => session);
  }

  /** Notes that these sessions are asked, in place of older ones of the same endpoints. Returns the frame that asks them. */
  ask(sessions: readonly SessionView[], options: { readonly joined: boolean; readonly nowMs: number }): Uint8Array {
    const credit = this.#credits.initialFor(this.#waiting.size + sessions.length);
    for (const session of sessions) {
      const former = this.#waiting.get(session.num);
      if (former !== undefined) this.#credits.release(former);
      this.aggregator.returned(session.num);
      const untilMs = this.#askedUntilMs(session, options.nowMs);
      this.#waiting.set(session.num, new Asked(session, { joined: options.joined, untilMs, ref: this.ref, credit }));
    }
    return encodeFrame(FRAME.query, this.ref, encodeBody('query', this.#body(options.nowMs, credit)));
  }

  /** Notes that these sessions are not asked, and why. */
  refuse(sessions: readonly SessionView[], why: readonly [outcome: Outcome, code: string, message: string]): void {
    for (const { num } of sessions) {
      this.#heard.add(num);
      this.aggregator.fail([num, ...why]);
    }
  }

  /** Takes rows; `body` is only read during the call. Frames of sessions that were not asked, or have settled, are ignored. */
  rows(session: SessionView, body: Uint8Array, final: boolean): void {
    const asked = this.#askedOf(session);
    if (asked === undefined) return;
    asked.received += body.length;
    if (asked.received > asked.credit) {
      this.#fail(asked, 'error', { code: 'credit_exceeded', message: 'the agent sent more than it had credit for' });
    } else if (asked.received > this.start.budget.bytes) {
      this.#fail(asked, 'over_budget', {
        code: 'bytes',
        message: `the answer is over ${this.start.budget.bytes} bytes`,
      });
    } else if (final) {
      this.#complete(asked, body);
    } else {
      // The transport reuses the bytes after this call. An empty frame asks for credit: the next row is larger than what is left.
      if (body.length > 0) (asked.store ??= new ByteStore()).add(body);
      const isShort = body.length === 0 || asked.credit - asked.received < asked.credit / 2;
      if (isShort && asked.granted === 0) this.#credits.request(asked);
    }
  }

  /** Takes QUERY_END. Returns false when its body is malformed. */
  queryEnd(session: SessionView, body: Uint8Array): boolean {
    const decoded = decodeBody('queryEnd', body);
    if (!decoded.ok) return false;
    const asked = this.#askedOf(session);
    const outcome: AgentOutcome = decoded.body.outcome;
    if (asked !== undefined) this.#fail(asked, outcome, decoded.body);
    return true;
  }

  /** Takes WARNINGS, which count with the answer. Returns false when the body is malformed. */
  warnings(session: SessionView, body: Uint8Array): boolean {
    const decoded = decodeBody('warnings', body);
    if (!decoded.ok) return false;
    const asked = this.#askedOf(session);
    if (asked !== undefined) asked.warnings = decoded.body.warnings;
    return true;
  }

  /**
   * Takes PROGRESS; the last one counts. Ignored where it was not asked for, and where it comes far more often than
   * asked for: it is not even decoded then. Returns false when the body is malformed.
   */
  progress(session: SessionView, body: Uint8Array, nowMs: number): boolean {
    const asked = this.#progressMs === undefined ? undefined : this.#askedOf(session);
    // Two that were sent at their time may come closer together.
    if (asked === undefined || nowMs - asked.progressAtMs < (this.#progressMs ?? 0) / 2) return true;
    const decoded = decodeBody('progress', body);
    if (!decoded.ok) return false;
    // What one endpoint makes up must not hide what the others say.
    const looked = Math.min(decoded.body.looked, this.start.budget.ms * MAX_LOOKED_PER_MS);
    asked.progress = { ...decoded.body, looked };
    asked.progressAtMs = nowMs;
    this.#hasProgress = true;
    return true;
  }

  /** Of those that are waited for, who says how far they are; `undefined` when nobody has said so yet. */
  working(): Working | undefined {
    if (!this.#hasProgress) return undefined;
    let [endpoints, paused, looked] = [0, 0, 0];
    for (const { progress } of this.#waiting.values()) {
      if (progress === undefined) continue;
      endpoints += 1;
      paused += progress.paused ? 1 : 0;
      looked = Math.min(looked + progress.looked, Number.MAX_SAFE_INTEGER);
    }
    return { endpoints, paused, looked };
  }

  /** The agent asks for the checks. It gets them once per question: they are large. */
  mayWantPack(session: SessionView): boolean {
    const asked = this.#askedOf(session);
    if (asked === undefined || asked.hasPack) return false;
    asked.hasPack = true;
    return true;
  }

  /** Whether an answer of this session is awaited. */
  awaits(session: SessionView): boolean {
    return this.#askedOf(session) !== undefined;
  }

  /** The session is gone, perhaps because its agent has a newer one on another gateway. Returns whether its answer was awaited. */
  sessionClosed(session: SessionView, hasMoved: boolean): boolean {
    const asked = this.#askedOf(session);
    if (asked === undefined) return false;
    const message = 'the session ended before the answer was complete';
    if (hasMoved) this.#fail(asked, 'disconnected', { code: MOVED_CODE, message });
    else {
      const times = this.#hunt === undefined ? this.#lose(session.num, 0) : 0;
      const isLast = times >= LOST_SESSIONS ? `, ${times} times: it is not asked again` : '';
      this.#fail(asked, 'disconnected', { code: 'disconnected', message: `${message}${isLast}` });
    }
    return true;
  }

  /**
   * The deadline has passed: every endpoint without an outcome has timed out. Returns their sessions, so that the query can be cancelled
   * there.
   */
  expire(): SessionView[] {
    this.over = true;
    const late = [...this.#waiting.values()];
    for (const asked of late) {
      const polls = asked.session.mode === 'poll' ? 'it polls, and ' : '';
      this.#fail(asked, 'timed_out', { code: 'deadline', message: `${polls}no whole answer came before the deadline` });
    }
    return late.map(({ session }) => session);
  }

  /** Forgets every endpoint without an outcome. Returns their sessions. */
  abandon(): SessionView[] {
    this.over = true;
    const sessions = this.waitingSessions();
    for (const asked of this.#waiting.values()) this.#credits.release(asked);
    this.#waiting.clear();
    return sessions;
  }

  /** How often endpoints may say how far they are; `undefined`: not at all. A search of seconds is over before anybody wonders. */
  get #progressMs(): number | undefined {
    const { budget, pack } = this.start;
    return budget.priority === 'low' && pack === undefined ? LIMITS.progressMs : undefined;
  }

  #body(nowMs: number, credit: number): QueryBody {
    const { id, sql, columns, budget, parameters, pack } = this.start;
    const progressMs = this.#progressMs;
    const remainingMs = Math.max(0, Math.min(Math.round(this.deadlineMs - nowMs), this.#hunt?.askMs ?? Infinity));
    const body = {
      ...{ id, sql, columns: [...columns], remainingMs, budget, credit, warnings: true },
      ...(progressMs === undefined ? {} : { progressMs }),
      ...(pack === undefined ? {} : { pack: { jws: pack.jws, keys: pack.keys } }),
    };
    return parameters === undefined ? body : { ...body, parameters: [...parameters] };
  }

  /** One that polls gets the question with its next poll. */
  #askedUntilMs({ connection }: SessionView, nowMs: number): number {
    if (this.#hunt === undefined) return this.deadlineMs;
    return Math.max(nowMs, connection.dueMs ?? nowMs) + this.#hunt.askMs + ASK_GRACE_MS;
  }

  #lose(num: number, atMs: number): number {
    const times = (this.#lost.get(num)?.times ?? 0) + 1;
    this.#lost.set(num, { times, atMs });
    return times;
  }

  #askedOf(session: SessionView): Asked | undefined {
    const asked = this.#waiting.get(session.num);
    return asked?.session === session ? asked : undefined;
  }

  #complete(asked: Asked, body: Uint8Array): void {
    asked.store?.add(body);
    const rows = asked.store?.bytes() ?? body;
    switch (this.aggregator.answer(asked.session.num, rows, asked.joined)) {
      case 'taken':
        this.#heard.add(asked.session.num);
        this.aggregator.warn(asked.session.num, asked.warnings);
        this.#settle(asked);
        return;
      case 'over_rows':
        this.#fail(asked, 'over_budget', {
          code: 'over_rows',
          message: `the answer has more than ${this.start.budget.rows} rows`,
        });
        return;
      case 'over_row_bytes':
        this.#fail(asked, 'over_budget', {
          code: 'over_row_bytes',
          message: `the answer has a row over ${LIMITS.rowBytes} bytes`,
        });
        return;
      case 'malformed':
        this.#fail(asked, 'error', {
          code: 'malformed_rows',
          message: 'the answer is not a sequence of rows of this query',
        });
    }
  }

  #fail(asked: Asked, said: Outcome, why: { readonly code: string; readonly message: string }): void {
    const isBusy = this.#hunt !== undefined && said === 'refused' && why.code === BUSY_CODE;
    const outcome = isBusy ? 'timed_out' : said;
    const { num } = asked.session;
    if (outcome !== 'disconnected' && outcome !== 'timed_out') this.#heard.add(num);
    else if (this.#hunt !== undefined && why.code !== MOVED_CODE) this.#lose(num, this.#hunt.nowMs());
    this.aggregator.fail([num, outcome, why.code, why.message]);
    this.#settle(asked);
  }

  #settle(asked: Asked): void {
    this.#waiting.delete(asked.session.num);
    if (asked.granted > 0) this.#credits.release(asked);
    asked.store = undefined;
  }
}
