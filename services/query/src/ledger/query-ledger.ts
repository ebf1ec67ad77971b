import { MOVED_CODE } from '@muster/messages';
import { EMPTY_LEDGER, OUTCOMES, type GatewayId, type Ledger, type Outcome } from '@muster/protocol';
import { NumberBits, type Failure, type ResultForm } from '@muster/records';
import {
  ANSWERED,
  codeOf,
  EMPTY,
  entryOf,
  gatewayOf,
  isAttributed,
  isPolled,
  isRecoverable,
  settledAt,
  STATES,
  stateOf,
  UNREACHABLE,
  WAITING,
  withPolls,
  type Entry,
  type Reason,
} from './endpoint-state.js';
import { ContestedEndpoints } from './contested-endpoints.js';
import { BETWEEN, EndpointTable } from './endpoint-table.js';
import { FailureTracker } from './failure-tracker.js';
import { UnwrittenChanges } from './ledger-changes.js';
import { MovingEndpoints } from './moving-endpoints.js';
import type { Polling } from './poll-tracker.js';

/** What happened to an answer that names its endpoint. `held`: another gateway may have counted it already; it is decided later. */
export type AnswerVerdict = 'accepted' | 'held' | 'refused';

export interface LedgerOptions {
  readonly form: ResultForm;
  /** Every answer names its endpoint, as in a hunt: nothing is merged before it arrives. */
  readonly attributed?: boolean;
  /** Called with the rows of a held answer that counts now; empty when the endpoint had none. */
  readonly onReleased: (num: number, rows: Uint8Array) => void;
}

/** The polling endpoints of a gateway's update, and when the last of them is due (wall clock). */
export interface PollSessions {
  readonly nums: ReadonlySet<number>;
  readonly dueMs: number;
}

const LOST_CODE = 'gateway_lost';
const NO_ROWS = new Uint8Array(0);
const answeredOrEmpty = (hasRows: boolean): number => (hasRows ? ANSWERED : EMPTY);

/**
 * The state of every endpoint of one query. Endpoints are tracked by number instead of counting messages, so a repeated, late or lost
 * update cannot unbalance the ledger:
 *
 *     unknown ──targeted──▶ waiting@A ──▶ answered | empty                         (final)
 *                             │   ▲  └──▶ error | refused | over_budget            (final: the endpoint reported it)
 *                             │   └─joined─┤
 *                             ├──▶ waiting, between gateways                    (moved; `disconnected` when nobody asks it)
 *                             └──▶ disconnected | unreachable | timed_out          (until it joins again)
 *
 * When an endpoint waits at A and joins at B, the two gateways contend for it. In group form A may have merged its rows already, so B's
 * answer is held until A has settled the endpoint or is dead; the second answer is refused. For the same reason no answer of an
 * endpoint that joined counts before every gateway has sent its targets. This way every row counts once.
 */
export class QueryLedger {
  readonly failures = new FailureTracker();
  readonly changes: UnwrittenChanges;
  readonly #form: ResultForm;
  readonly #onReleased: LedgerOptions['onReleased'];
  readonly #endpoints = new EndpointTable();
  readonly #moving = new MovingEndpoints();
  readonly #contested = new ContestedEndpoints();
  readonly #attributed: boolean;
  #sealed: boolean;
  #away: NumberBits | undefined;

  constructor(options: LedgerOptions) {
    this.#form = options.form;
    this.changes = new UnwrittenChanges(options.form);
    this.#onReleased = options.onReleased;
    this.#attributed = options.attributed === true;
    this.#sealed = options.form === 'raw' || this.#attributed;
  }

  /** Rises with every change of any endpoint's state. */
  get version(): number {
    return this.#endpoints.version;
  }

  get waiting(): number {
    return this.#endpoints.count(WAITING);
  }

  /** The waiting endpoints that poll; `undefined` when there are none. */
  get polling(): Polling | undefined {
    return this.#endpoints.polling;
  }

  waitingAt(gateway: GatewayId): number {
    const index = this.#endpoints.knownIndexOf(gateway);
    return index === undefined ? 0 : this.#endpoints.waitingAt(index);
  }

  get targeted(): number {
    return this.#endpoints.size;
  }

  has(num: number): boolean {
    return this.#endpoints.get(num) !== undefined;
  }

  snapshot(): Ledger {
    const counts = Object.fromEntries(STATES.map((state, code) => [state, this.#endpoints.count(code)]));
    return { targeted: this.targeted, ...counts, ...this.#awayCount } as Ledger;
  }

  /** Of a hunt: endpoints in scope of which the ledger knows nothing. Undefined while they were not counted. */
  get away(): number | undefined {
    return this.#away?.size;
  }

  /** Who is in scope; those that were targeted do not count. From now on an endpoint leaves them when it is targeted. */
  setAway(nums: Iterable<number>): void {
    const away = new NumberBits();
    for (const num of nums) if (!this.has(num)) away.add(num);
    this.#away = away;
  }

  /** Endpoints that answered or said why they do not, which is final. */
  settled(): NumberBits {
    const settled = new NumberBits();
    this.#endpoints.forEach((num, entry) => {
      const state = stateOf(entry);
      if (state !== WAITING && !isRecoverable(state)) settled.add(num);
    });
    return settled;
  }

  /** Nobody is waited for, away, or may still answer. */
  get isFinal(): boolean {
    if (this.waiting > 0 || this.#away?.size !== 0) return false;
    return STATES.every((_, state) => !isRecoverable(state) || this.#endpoints.count(state) === 0);
  }

  /** A gateway has begun anew: who waited there is asked again if it is still there. */
  begunAnew(gateway: GatewayId): void {
    const index = this.#endpoints.knownIndexOf(gateway);
    const message = 'its gateway began anew, and asks it again if it is there';
    if (index !== undefined) this.#settleWaiting(index, ['disconnected', 'asked_anew', message]);
  }

  /** The coordinator that waited for the endpoint is gone, and with it what may have come: it may join again. */
  restoreWaiting(num: number): void {
    const waiting = entryOf(BETWEEN, true, WAITING);
    this.#endpoints.set(num, undefined, waiting);
    const message = 'the query service that waited for it has stopped; it is asked again';
    this.#settleFailed(num, waiting, BETWEEN, [num, 'disconnected', 'asked_anew', message]);
  }

  /** Puts back what a result stream says of an endpoint, as something that is written already. */
  restore(num: number, outcome: Outcome): void {
    this.#endpoints.set(num, undefined, settledAt(BETWEEN, codeOf(outcome)));
    if (codeOf(outcome) > EMPTY) this.failures.restore(num, outcome);
  }

  /**
   * The ledger of what is in the result stream when `unwritten` of those that answered have no rows there yet: they still wait, and so do
   * endpoints whose failure is not listed yet.
   */
  written(unwritten: number): Ledger {
    const targeted = this.#endpoints.size;
    const answered = this.#endpoints.count(ANSWERED) - unwritten;
    const written = { ...EMPTY_LEDGER, ...this.failures.listed, answered, empty: this.#endpoints.count(EMPTY) };
    const settled = OUTCOMES.reduce((sum, outcome) => sum + written[outcome], 0);
    return { ...written, targeted, waiting: targeted - settled, ...this.#awayCount };
  }

  get #awayCount(): { readonly away?: number } {
    return this.#away === undefined ? {} : { away: this.#away.size };
  }

  /** A gateway has sent the query to these endpoints. `joined`: they connected while the query ran, so their answers name them. */
  target(gateway: GatewayId, nums: readonly number[], joined: boolean, polled?: PollSessions): void {
    const waiting = entryOf(this.#endpoints.indexOf(gateway), joined, WAITING);
    for (const num of nums) {
      const entry = this.#endpoints.get(num);
      const isWaiting = entry !== undefined && stateOf(entry) === WAITING;
      if (entry !== undefined && !isWaiting && !isRecoverable(stateOf(entry))) continue;
      // When two gateways target it, the one that it joined while the query ran has its newer session.
      const isHeld = isWaiting && gatewayOf(entry) !== BETWEEN;
      const polls = isHeld && !joined ? isPolled(entry) : polled?.nums.has(num) === true;
      const asked = withPolls(waiting, polls);
      const at = isHeld ? this.#askAgain(num, entry, asked) : this.#set(num, entry, asked);
      if (polls && polled !== undefined) this.#endpoints.pollsDue(at, polled.dueMs);
    }
  }

  /** Every gateway has sent its first targets, or is dead: decides the answers that were held until now. */
  seal(): void {
    if (this.#sealed) return;
    this.#sealed = true;
    for (const [num, { gateway, rows }] of this.#contested.takeEarly()) {
      if (this.answer(gateway, num, rows) === 'accepted') this.#onReleased(num, rows);
    }
  }

  /**
   * The rows of these endpoints are merged into the groups that the gateway sent, so they count whatever was known before. Returns how
   * many had been counted already: their rows are counted twice, which only happens when two gateways asked the same endpoint from the
   * start.
   */
  answeredInGroups(gateway: GatewayId, nums: readonly number[]): number {
    const answered = settledAt(this.#endpoints.indexOf(gateway), ANSWERED);
    let twice = 0;
    for (const num of nums) {
      const entry = this.#endpoints.get(num);
      if (entry !== undefined && stateOf(entry) === ANSWERED) twice += 1;
      else this.#set(num, entry, answered);
    }
    return twice;
  }

  empty(gateway: GatewayId, nums: readonly number[]): void {
    for (const num of nums) this.answer(gateway, num, NO_ROWS);
  }

  /**
   * An answer that names its endpoint. The caller stores the rows only when it is `accepted`; held rows are passed to `onReleased`
   * later.
   */
  answer(gateway: GatewayId, num: number, rows: Uint8Array): AnswerVerdict {
    const index = this.#endpoints.indexOf(gateway);
    // An empty answer is never held: it has no rows that could be counted twice.
    if (rows.length > 0) {
      const entry = this.#endpoints.get(num);
      const current = entry === undefined ? WAITING : stateOf(entry);
      if (current !== WAITING && !isRecoverable(current)) return 'refused';
      if (!this.#sealed) return this.#contested.holdEarly(gateway, num, rows) ? 'held' : 'refused';
      if (entry !== undefined && current === WAITING && gatewayOf(entry) !== index && this.#mayBeMerged(entry)) {
        return this.#contested.hold(this.#contested.contend(num, index), rows) ? 'held' : 'refused';
      }
    }
    return this.settleAnswered(gateway, num, rows.length > 0) ? 'accepted' : 'refused';
  }

  /** An answer of a query in raw form, where none is held: nothing is merged before it arrives. Whether it counts. */
  settleAnswered(gateway: GatewayId, num: number, hasRows: boolean): boolean {
    const entry = this.#endpoints.get(num);
    const current = entry === undefined ? WAITING : stateOf(entry);
    if (current !== WAITING && !isRecoverable(current)) return false;
    // No update targeted an unknown endpoint because that update was lost; the answer proves that it was asked.
    this.#set(num, entry, settledAt(this.#endpoints.indexOf(gateway), answeredOrEmpty(hasRows)));
    return true;
  }

  /** A gateway reports that an endpoint will not answer. True when that changed anything. */
  fail(gateway: GatewayId, failure: Failure): boolean {
    const [num, outcome] = failure;
    const index = this.#endpoints.indexOf(gateway);
    const entry = this.#endpoints.get(num);
    const state = codeOf(outcome);
    if (state <= EMPTY || !Number.isSafeInteger(num) || num < 0) return false;
    if (entry !== undefined) {
      const current = stateOf(entry);
      const at = gatewayOf(entry);
      if (current === WAITING && at !== index && at !== BETWEEN) return this.#failContender(num, index, failure);
      if (current === WAITING && isRecoverable(state) && this.#handOver(num, entry)) return true;
      if (current !== WAITING && !(isRecoverable(current) && !isRecoverable(state))) return false;
    }
    if (outcome === 'disconnected' && failure[2] === MOVED_CODE) {
      this.#set(num, entry, entryOf(BETWEEN, true, WAITING));
      this.#moving.add(num);
      return true;
    }
    this.#settleFailed(num, entry, index, failure);
    return true;
  }

  /** Whether one of them has answered with rows. */
  hasAnswered(nums: readonly number[]): boolean {
    return nums.some((num) => stateOf(this.#endpoints.get(num) ?? WAITING) === ANSWERED);
  }

  /** These endpoints were live until a moment ago, and nobody has said whether they were asked. They may still join. */
  lost(nums: readonly number[], why: Reason = ['unreachable', LOST_CODE, 'its gateway does not answer']): void {
    for (const num of nums) if (!this.has(num)) this.#settleFailed(num, undefined, BETWEEN, [num, ...why]);
  }

  /** A gateway is dead: its waiting endpoints go to their contenders; the others are unreachable, unless it returns. */
  gatewayDied(gateway: GatewayId): number {
    const index = this.#endpoints.knownIndexOf(gateway);
    if (index === undefined) return 0;
    this.#contested.dropEmpty(index);
    return this.#settleWaiting(index, ['unreachable', LOST_CODE, 'the gateway that asked it does not answer']);
  }

  /** A gateway that was dead is heard again: its endpoints are waited for as before. It may have merged their rows meanwhile. */
  gatewayReturned(gateway: GatewayId): void {
    const index = this.#endpoints.knownIndexOf(gateway);
    if (index === undefined) return;
    this.#endpoints.forEach((num, entry) => {
      if (stateOf(entry) === UNREACHABLE && gatewayOf(entry) === index)
        this.#set(num, entry, entryOf(index, false, WAITING));
    });
  }

  /** Endpoints that moved and that nobody has asked for too long are disconnected. `nowMs` is monotonic; to be called every moment. */
  expireMoves(nowMs: number): void {
    for (const num of this.#moving.expired(nowMs)) {
      const entry = this.#endpoints.get(num);
      if (entry === undefined || stateOf(entry) !== WAITING || gatewayOf(entry) !== BETWEEN) continue;
      const message = 'it left for another gateway, which did not ask it';
      this.#settleFailed(num, entry, BETWEEN, [num, 'disconnected', 'disconnected', message]);
    }
  }

  /** Updates of this gateway were lost and it has nothing more to send: its waiting endpoints will never be settled. */
  updatesLost(gateway: GatewayId): number {
    const index = this.#endpoints.knownIndexOf(gateway);
    if (index === undefined) return 0;
    return this.#settleWaiting(index, ['timed_out', 'report_lost', 'what its gateway reported was lost on the way']);
  }

  /** The query ends: held answers count now, and endpoints that still wait time out. */
  end(code: string, message: string): void {
    this.seal();
    if (this.waiting === 0) return;
    this.#endpoints.forEach((num, entry) => {
      if (stateOf(entry) !== WAITING) return;
      if (this.#contested.contender(num)?.held !== undefined) this.#handOver(num, entry);
      else this.#settleFailed(num, entry, gatewayOf(entry), [num, 'timed_out', code, message]);
    });
  }

  /** Every change of state goes through here. Returns the gateway that has the endpoint now. */
  #set(num: number, before: Entry | undefined, after: Entry): number {
    this.#endpoints.set(num, before, after);
    if (before === undefined) this.#away?.delete(num);
    const state = stateOf(after);
    if (state !== WAITING) this.#contested.take(num);
    if (before !== undefined && state <= EMPTY) this.failures.recovered(num);
    this.changes.note(num, state, before === undefined);
    return gatewayOf(after);
  }

  #mayBeMerged(entry: Entry): boolean {
    return this.#form === 'group' && !this.#attributed && !isAttributed(entry);
  }

  /**
   * A second session of a waiting endpoint was sent the query. The gateway that may have merged the endpoint's rows settles it,
   * whichever update came first; the other one becomes the contender. Returns the gateway that settles it.
   */
  #askAgain(num: number, entry: Entry, asked: Entry): number {
    const isMoved = gatewayOf(entry) !== gatewayOf(asked);
    const yields = isMoved && !this.#mayBeMerged(entry) && this.#mayBeMerged(asked);
    const settles = yields ? asked : withPolls(entry, isPolled(asked));
    if (settles !== entry) this.#set(num, entry, settles);
    if (isMoved) this.#contested.contend(num, gatewayOf(yields ? entry : asked));
    return gatewayOf(settles);
  }

  #failContender(num: number, gateway: number, failure: Failure): boolean {
    const contender = this.#contested.contender(num);
    if (contender === undefined || contender.gateway !== gateway || contender.held !== undefined) return false;
    if (isRecoverable(codeOf(failure[1]))) this.#contested.take(num);
    else contender.held = { failure };
    return true;
  }

  /** The gateway of a waiting endpoint gave it up: passes it to its contender, with what that one has sent. False when there is none. */
  #handOver(num: number, entry: Entry): boolean {
    const contender = this.#contested.take(num);
    if (contender === undefined) return false;
    const { held } = contender;
    if (held === undefined)
      this.#set(num, entry, withPolls(entryOf(contender.gateway, true, WAITING), isPolled(entry)));
    else if ('failure' in held) this.#settleFailed(num, entry, contender.gateway, held.failure);
    else {
      this.#set(num, entry, settledAt(contender.gateway, answeredOrEmpty(held.rows.length > 0)));
      this.#onReleased(num, held.rows);
    }
    return true;
  }

  #settleFailed(num: number, before: Entry | undefined, gateway: number, failure: Failure): void {
    this.#set(num, before, settledAt(gateway, codeOf(failure[1])));
    this.failures.failed(failure);
  }

  #settleWaiting(gateway: number, [outcome, code, message]: Reason): number {
    if (this.#endpoints.waitingAt(gateway) === 0) return 0;
    let settled = 0;
    this.#endpoints.forEach((num, entry) => {
      if (stateOf(entry) !== WAITING || gatewayOf(entry) !== gateway || this.#handOver(num, entry)) return;
      this.#settleFailed(num, entry, gateway, [num, outcome, code, message]);
      settled += 1;
    });
    return settled;
  }
}
