import { MOVED_CODE, type QueryStart } from '@muster/messages';
import {
  bodyFault,
  decodeBody,
  encodeBody,
  encodeFrame,
  FRAME,
  LIMITS,
  type AgentOutcome,
  type Outcome,
  type QueryBody,
  type Selector,
  type WarningsBody,
} from '@muster/protocol';
import type { SessionView } from '../../foundation/session-view.js';
import { ByteStore } from './byte-store.js';
import type { CreditPool, CreditTaker } from './credit-pool.js';
import { PartialAggregator } from './partial-aggregator.js';

/** One session that was asked and has not settled. */
class Asked implements CreditTaker {
  readonly session: SessionView;
  /** Asked after the query had begun: the coordinator may have its answer from elsewhere already. */
  readonly joined: boolean;
  readonly #ref: number;
  credit: number;
  granted = 0;
  received = 0;
  store: ByteStore | undefined;
  warnings: WarningsBody['warnings'] = [];

  constructor(session: SessionView, options: { joined: boolean; ref: number; credit: number }) {
    this.session = session;
    this.joined = options.joined;
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
}

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
  readonly #heard = new Set<number>();
  /** How many sessions of an endpoint ended while its answer was awaited. */
  readonly #lost = new Map<number, number>();

  constructor(options: ActiveQueryOptions) {
    const { start } = options;
    this.start = start;
    this.selector = options.selector;
    this.#among = options.among;
    this.ref = options.ref;
    this.deadlineMs = options.deadlineMs;
    this.#credits = options.credits;
    this.aggregator = new PartialAggregator({
      form: start.mode,
      columns: start.columns.length,
      maxRows: start.budget.rows,
      updateBytes: options.updateBytes,
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
    return this.#among === undefined || this.#among.has(num);
  }

  /** Whether asking an endpoint again is of use: it has neither answered here nor lost a session each time it was asked. */
  mayAsk(num: number): boolean {
    return this.mayMean(num) && !this.#heard.has(num) && (this.#lost.get(num) ?? 0) < LOST_SESSIONS;
  }

  /** Notes that these sessions are asked, in place of older ones of the same endpoints. Returns the frame that asks them. */
  ask(sessions: readonly SessionView[], options: { readonly joined: boolean; readonly nowMs: number }): Uint8Array {
    const credit = this.#credits.initialFor(this.#waiting.size + sessions.length);
    for (const session of sessions) {
      const former = this.#waiting.get(session.num);
      if (former !== undefined) this.#credits.release(former);
      this.aggregator.returned(session.num);
      this.#waiting.set(session.num, new Asked(session, { joined: options.joined, ref: this.ref, credit }));
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
      const times = (this.#lost.get(session.num) ?? 0) + 1;
      this.#lost.set(session.num, times);
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

  #body(nowMs: number, credit: number): QueryBody {
    const { id, sql, columns, budget } = this.start;
    const remainingMs = Math.max(0, Math.round(this.deadlineMs - nowMs));
    return { id, sql, columns: [...columns], remainingMs, budget, credit, warnings: true };
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

  #fail(asked: Asked, outcome: Outcome, why: { readonly code: string; readonly message: string }): void {
    if (outcome !== 'disconnected' && outcome !== 'timed_out') this.#heard.add(asked.session.num);
    this.aggregator.fail([asked.session.num, outcome, why.code, why.message]);
    this.#settle(asked);
  }

  #settle(asked: Asked): void {
    this.#waiting.delete(asked.session.num);
    if (asked.granted > 0) this.#credits.release(asked);
    asked.store = undefined;
  }
}
