import type { GatewayId, Ledger, Outcome } from '@muster/protocol';
import type { Failure, ResultForm } from '@muster/records';
import {
  ANSWERED,
  codeOf,
  EMPTY,
  entryOf,
  gatewayOf,
  isAttributed,
  isPolled,
  isRecoverable,
  STATES,
  stateOf,
  WAITING,
  withPolls,
  type Entry,
} from './endpoint-state.js';
import { Claims } from './claims.js';
import { FailureBook } from './failure-book.js';
import { PollBook, type Polling } from './poll-book.js';

/** What became of an answer that names its endpoint. `held`: it may still turn out that another gateway has counted that endpoint. */
export type AnswerVerdict = 'accepted' | 'held' | 'refused';

export interface LedgerOptions {
  readonly mode: ResultForm;
  /** Rows of an answer that was held and counts now; empty when the endpoint had none. */
  readonly onReleased: (num: number, rows: Uint8Array) => void;
}

/** What a gateway says of those that it asks: who polls, and when the last of these comes next, by the wall clock. */
export interface Polled {
  readonly nums: ReadonlySet<number>;
  readonly dueMs: number;
}

const NO_ROWS = new Uint8Array(0);
const answeredOrEmpty = (rows: Uint8Array): number => (rows.length === 0 ? EMPTY : ANSWERED);

/**
 * Where every endpoint of one query stands. Endpoints are tracked by number and never counted as messages come, so a repeated,
 * late or lost report cannot unbalance it:
 *
 *     unknown ──targeted──▶ waiting@A ──▶ answered | empty                         (final)
 *                             │   ▲  └──▶ error | refused | over_budget            (final: the endpoint's own word)
 *                             │   └─joined─┐
 *                             └──▶ disconnected | unreachable | timed_out          (until it joins again)
 *
 * An endpoint that waits at A and joins at B is claimed by B. In group mode A may have merged its rows already, so B's
 * answer is held until A has settled the endpoint or is dead; whoever comes second is refused. For the same reason no answer of
 * an endpoint that joined counts before every gateway has said whom it asked. That keeps every row counted once.
 */
export class QueryLedger {
  /** Who did not answer, for viewers. */
  readonly failures = new FailureBook();
  readonly #mode: ResultForm;
  readonly #onReleased: LedgerOptions['onReleased'];
  readonly #entries = new Map<number, Entry>();
  readonly #counts = Array.from(STATES, () => 0);
  readonly #gateways = new Map<GatewayId, number>();
  readonly #waitingAt: number[] = [];
  readonly #polls = new PollBook();
  readonly #claims = new Claims();
  #sealed: boolean;
  #version = 0;

  constructor(options: LedgerOptions) {
    this.#mode = options.mode;
    this.#onReleased = options.onReleased;
    this.#sealed = options.mode === 'raw';
  }

  /** Rises with every change of any endpoint's state. */
  get version(): number {
    return this.#version;
  }

  get targeted(): number {
    return this.#entries.size;
  }

  get waiting(): number {
    return this.#counts[WAITING] ?? 0;
  }

  /** Who of those waited for polls; `undefined` when nobody does. */
  get polling(): Polling | undefined {
    return this.#polls.summary();
  }

  /** How many endpoints wait for this gateway to settle them. */
  waitingAt(gateway: GatewayId): number {
    const index = this.#gateways.get(gateway);
    return index === undefined ? 0 : (this.#waitingAt[index] ?? 0);
  }

  has(num: number): boolean {
    return this.#entries.has(num);
  }

  snapshot(): Ledger {
    const count = (state: 'waiting' | Outcome): number => this.#counts[codeOf(state)] ?? 0;
    return {
      targeted: this.targeted,
      waiting: this.waiting,
      answered: count('answered'),
      empty: count('empty'),
      error: count('error'),
      refused: count('refused'),
      over_budget: count('over_budget'),
      timed_out: count('timed_out'),
      disconnected: count('disconnected'),
      unreachable: count('unreachable'),
    };
  }

  /** A gateway asks these endpoints. `joined`: they connected while the query ran, so their answers name them. */
  target(gateway: GatewayId, nums: readonly number[], joined: boolean, polled?: Polled): void {
    const waiting = entryOf(this.#indexOf(gateway), joined, WAITING);
    for (const num of nums) {
      const entry = this.#entries.get(num);
      const isAskedAgain = entry !== undefined && stateOf(entry) === WAITING;
      if (entry !== undefined && !isAskedAgain && !isRecoverable(stateOf(entry))) continue;
      // Of two who say that they ask it, the one that it joined while the query ran has its newer session.
      const polls = isAskedAgain && !joined ? isPolled(entry) : polled?.nums.has(num) === true;
      const asked = withPolls(waiting, polls);
      const at = isAskedAgain ? this.#askAgain(num, entry, asked) : this.#set(num, entry, asked);
      if (polls && polled !== undefined) this.#polls.due(at, polled.dueMs);
    }
  }

  /** Every gateway that asks endpoints from the start has said so, or is dead: answers that waited for this are decided. */
  seal(): void {
    if (this.#sealed) return;
    this.#sealed = true;
    for (const [num, { gateway, rows }] of this.#claims.takeEarly()) {
      if (this.answer(gateway, num, rows) === 'accepted') this.#onReleased(num, rows);
    }
  }

  /**
   * These endpoints' rows are merged into what the gateway sent, so they count whatever was known before. Returns how many had been
   * counted already: their rows are in twice, which only happens when two gateways asked the same endpoint from the start.
   */
  combined(gateway: GatewayId, nums: readonly number[]): number {
    const answered = entryOf(this.#indexOf(gateway), false, ANSWERED);
    let twice = 0;
    for (const num of nums) {
      const entry = this.#entries.get(num);
      if (entry !== undefined && stateOf(entry) === ANSWERED) twice += 1;
      else this.#set(num, entry, answered);
    }
    return twice;
  }

  /** These endpoints answered that they have no rows. */
  empty(gateway: GatewayId, nums: readonly number[]): void {
    for (const num of nums) this.answer(gateway, num, NO_ROWS);
  }

  /** An answer that names its endpoint. The caller keeps the rows only when it is `accepted`; held rows come back by `onReleased`. */
  answer(gateway: GatewayId, num: number, rows: Uint8Array): AnswerVerdict {
    const index = this.#indexOf(gateway);
    const entry = this.#entries.get(num);
    const current = entry === undefined ? WAITING : stateOf(entry);
    if (current !== WAITING && !isRecoverable(current)) return 'refused';
    // An empty answer needs no such care: nothing of it can be counted twice.
    if (rows.length > 0) {
      if (!this.#sealed) return this.#claims.holdEarly(gateway, num, rows) ? 'held' : 'refused';
      if (entry !== undefined && current === WAITING && gatewayOf(entry) !== index && this.#mayBeMerged(entry)) {
        return this.#claims.hold(this.#claims.make(num, index), rows) ? 'held' : 'refused';
      }
    }
    // An endpoint that no report named before: the one that did was lost, and its answer proves that it was asked.
    this.#set(num, entry, entryOf(index, true, answeredOrEmpty(rows)));
    return 'accepted';
  }

  /** A gateway says that an endpoint will not answer. True when that changed anything. */
  fail(gateway: GatewayId, failure: Failure): boolean {
    const [num, outcome] = failure;
    const index = this.#indexOf(gateway);
    const entry = this.#entries.get(num);
    const state = codeOf(outcome);
    if (state <= EMPTY) return false;
    if (entry !== undefined) {
      const current = stateOf(entry);
      if (current === WAITING && gatewayOf(entry) !== index) return this.#failClaim(num, index, failure);
      if (current === WAITING && isRecoverable(state) && this.#handOver(num, entry)) return true;
      if (current !== WAITING && !(isRecoverable(current) && !isRecoverable(state))) return false;
    }
    this.#settleFailed(num, entry, index, failure);
    return true;
  }

  /** A gateway is dead: what waits there goes to whoever claimed it, the rest is unreachable. The caller ignores it from now on. */
  gatewayDied(gateway: GatewayId): number {
    const index = this.#gateways.get(gateway);
    if (index === undefined) return 0;
    this.#claims.dropEmptyOf(index);
    return this.#settleWaiting(index, ['unreachable', 'gateway_lost', 'the gateway that asked it does not answer']);
  }

  /** Reports of this gateway were lost and no more will come for what it asked: those endpoints will never be heard of. */
  reportsLost(gateway: GatewayId): number {
    const index = this.#gateways.get(gateway);
    if (index === undefined) return 0;
    return this.#settleWaiting(index, ['timed_out', 'report_lost', 'what its gateway reported was lost on the way']);
  }

  /** The query ends: held answers count, since nothing else will be believed, and nobody is waited for any more. */
  end(code: string, message: string): void {
    this.seal();
    if (this.waiting === 0) return;
    for (const [num, entry] of this.#entries) {
      if (stateOf(entry) !== WAITING) continue;
      if (this.#claims.of(num)?.held !== undefined) this.#handOver(num, entry);
      else this.#settleFailed(num, entry, gatewayOf(entry), [num, 'timed_out', code, message]);
    }
  }

  #indexOf(gateway: GatewayId): number {
    const known = this.#gateways.get(gateway);
    if (known !== undefined) return known;
    const index = this.#waitingAt.length;
    this.#gateways.set(gateway, index);
    this.#waitingAt.push(0);
    return index;
  }

  /** Every change of state goes through here, so that counts cannot drift from entries. Gives the gateway that has the endpoint now. */
  #set(num: number, before: Entry | undefined, after: Entry): number {
    this.#version += 1;
    const dueMs = before !== undefined && isPolled(before) ? this.#polls.dueAt(gatewayOf(before)) : 0;
    if (before !== undefined) this.#count(before, -1);
    this.#count(after, 1);
    if (isPolled(after)) this.#polls.due(gatewayOf(after), dueMs);
    this.#entries.set(num, after);
    const state = stateOf(after);
    if (state !== WAITING) this.#claims.take(num);
    if (before !== undefined) {
      if (state === WAITING) this.failures.reopened(num);
      else if (state <= EMPTY) this.failures.answered(num);
    }
    return gatewayOf(after);
  }

  #count(entry: Entry, change: 1 | -1): void {
    const state = stateOf(entry);
    this.#counts[state] = (this.#counts[state] ?? 0) + change;
    if (state !== WAITING) return;
    const gateway = gatewayOf(entry);
    this.#waitingAt[gateway] = (this.#waitingAt[gateway] ?? 0) + change;
    if (isPolled(entry)) this.#polls.count(gateway, change);
  }

  #mayBeMerged(entry: Entry): boolean {
    return this.#mode === 'group' && !isAttributed(entry);
  }

  /**
   * A second session of an endpoint that is waited for is asked. Whoever may have merged the endpoint's rows settles it, in whatever order the
   * two reports came; the other one claims it. Gives the gateway that settles it.
   */
  #askAgain(num: number, entry: Entry, asked: Entry): number {
    const isMoved = gatewayOf(entry) !== gatewayOf(asked);
    const yields = isMoved && !this.#mayBeMerged(entry) && this.#mayBeMerged(asked);
    const settles = yields ? asked : withPolls(entry, isPolled(asked));
    if (settles !== entry) this.#set(num, entry, settles);
    if (isMoved) this.#claims.make(num, gatewayOf(yields ? entry : asked));
    return gatewayOf(settles);
  }

  #failClaim(num: number, gateway: number, failure: Failure): boolean {
    const claim = this.#claims.of(num);
    if (claim === undefined || claim.gateway !== gateway || claim.held !== undefined) return false;
    if (isRecoverable(codeOf(failure[1]))) this.#claims.take(num);
    else claim.held = { failure };
    return true;
  }

  /** The gateway an endpoint waited at gave it up: whoever claimed it has it now, with what it brought. */
  #handOver(num: number, entry: Entry): boolean {
    const claim = this.#claims.take(num);
    if (claim === undefined) return false;
    const { held } = claim;
    if (held === undefined) this.#set(num, entry, withPolls(entryOf(claim.gateway, true, WAITING), isPolled(entry)));
    else if ('failure' in held) this.#settleFailed(num, entry, claim.gateway, held.failure);
    else {
      this.#set(num, entry, entryOf(claim.gateway, true, answeredOrEmpty(held.rows)));
      this.#onReleased(num, held.rows);
    }
    return true;
  }

  #settleFailed(num: number, before: Entry | undefined, gateway: number, failure: Failure): void {
    this.#set(num, before, entryOf(gateway, true, codeOf(failure[1])));
    this.failures.failed(failure);
  }

  #settleWaiting(gateway: number, [outcome, code, message]: [Outcome, string, string]): number {
    if ((this.#waitingAt[gateway] ?? 0) === 0) return 0;
    let settled = 0;
    for (const [num, entry] of this.#entries) {
      if (stateOf(entry) !== WAITING || gatewayOf(entry) !== gateway) continue;
      if (this.#handOver(num, entry)) continue;
      this.#settleFailed(num, entry, gateway, [num, outcome, code, message]);
      settled += 1;
    }
    return settled;
  }
}
