import type { GatewayUpdate, PartialUpdate, TargetedUpdate } from '@muster/messages';
import { countRows, type GatewayId, type Ledger } from '@muster/protocol';
import { forEachAnswer, readAnswerBlock, type ResultForm, type Working } from '@muster/records';
import type { Reason } from '../ledger/endpoint-state.js';
import { QueryLedger } from '../ledger/query-ledger.js';
import { checkUpdate } from './check-update.js';
import { EnrollableNumbers } from './enrollable-numbers.js';
import { UpdateSequencer } from './update-sequencer.js';
import { GroupMerge } from './group-merge.js';
import { AnswerQueue } from './answer-queue.js';
import { WarningTracker } from './warning-tracker.js';

export interface AggregatorOptions {
  readonly form: ResultForm;
  readonly columns: number;
  readonly maxGroups: number;
  readonly maxGroupBytes: number;
  readonly maxQueuedBytes: number;
  readonly maxResultBytes: number;
  /** Approximate upper bound of one event of the result stream. */
  readonly eventBytes: number;
  /** Of a hunt: every answer names its endpoint, and who was lost with a report is asked again. */
  readonly isHunt?: boolean;
  /** No endpoint has a higher number at the moment; default: none is known. What gateways say of higher ones is left out. */
  readonly highestNum?: () => number;
}

/** How an update was handled; `partly` after a loss, without its merged rows. */
export type UpdateResult = 'applied' | 'partly' | 'waiting' | 'repeated';

interface GatewayState {
  readonly sequencer: UpdateSequencer;
  /** It has said whom it asks. Other updates of it may arrive without: the first one can be lost. */
  hasTargeted: boolean;
  /** Everybody whom it asked has an outcome, and whom it asked was lost on the way: it will not say it again. */
  isMute: boolean;
  /** It is waited for until it has said whom it asks, unless it is dead. */
  expected: boolean;
  dead: boolean;
  /** It was dead. Endpoints may have answered elsewhere what it has merged. */
  returned: boolean;
}

const isAwaited = ({ hasTargeted, isMute, expected, dead }: GatewayState): boolean =>
  expected && !hasTargeted && !isMute && !dead;

/** Everything that one query has collected: ledger, groups, answers, and how updates change them. No clock, no I/O. */
export class ResultAggregator {
  readonly ledger: QueryLedger;
  readonly groups: GroupMerge;
  readonly answers: AnswerQueue;
  readonly warnings = new WarningTracker();
  readonly #options: AggregatorOptions;
  readonly #gateways = new Map<GatewayId, GatewayState>();
  readonly #working = new Map<GatewayId, Working>();
  readonly #numbers: EnrollableNumbers;
  #countedTwice = 0;
  #lostUnknown = false;

  constructor(options: AggregatorOptions) {
    this.#options = options;
    this.#numbers = new EnrollableNumbers(options.highestNum ?? (() => Number.POSITIVE_INFINITY));
    this.groups = new GroupMerge({
      columns: options.columns,
      maxGroups: options.maxGroups,
      maxBytes: options.maxGroupBytes,
    });
    this.answers = new AnswerQueue({
      blockBytes: options.eventBytes,
      maxQueuedBytes: options.maxQueuedBytes,
      maxTotalBytes: options.maxResultBytes,
    });
    this.ledger = new QueryLedger({
      form: options.form,
      attributed: options.isHunt === true,
      onReleased: (num, rows) => this.#addRows(num, rows, countRows(rows, options.columns)),
    });
  }

  /** The query is not complete before this gateway has said whom it asks, or is dead. */
  expect(gateway: GatewayId): void {
    this.#gateway(gateway).expected = true;
  }

  /** Every expected gateway has said whom it asks, or is dead. */
  get initialUpdatesIn(): boolean {
    for (const state of this.#gateways.values()) if (isAwaited(state)) return false;
    return true;
  }

  /** Nothing more can arrive, except from endpoints that connect later. */
  get settled(): boolean {
    return this.initialUpdatesIn && this.ledger.waiting === 0;
  }

  *pending(): Generator<GatewayId> {
    for (const [gateway, state] of this.#gateways) {
      if (isAwaited(state) || (!state.dead && this.ledger.waitingAt(gateway) > 0)) yield gateway;
    }
  }

  /** How many gateways have said whom they ask and are alive. */
  get gateways(): number {
    let count = 0;
    for (const state of this.#gateways.values()) if (state.hasTargeted && !state.dead) count += 1;
    return count;
  }

  get lostUpdates(): number {
    let lost = 0;
    for (const state of this.#gateways.values()) lost += state.sequencer.lost;
    return lost;
  }

  /** How many numbers gateways have said that no endpoint has. */
  get refusedNumbers(): number {
    return this.#numbers.refused;
  }

  /** Rows (raw) or distinct rows (group). */
  get rows(): number {
    return this.#options.form === 'group' ? this.groups.size : this.answers.rows;
  }

  /** Who works on it, by the last word of each gateway; `undefined` when nobody says so. Never more than are waited for. */
  get working(): Working | undefined {
    const { waiting } = this.ledger;
    let [endpoints, paused, looked] = [0, 0, 0];
    for (const [gateway, one] of this.#working) {
      const here = Math.min(one.endpoints, this.ledger.waitingAt(gateway));
      endpoints += here;
      paused += Math.min(one.paused, here);
      looked = Math.min(looked + (here === 0 ? 0 : one.looked), Number.MAX_SAFE_INTEGER);
    }
    return endpoints === 0 || waiting === 0 ? undefined : { endpoints, paused, looked };
  }

  /** The ledger of what has been taken for the result stream: rows and ledger of an event describe one moment. */
  get writtenLedger(): Ledger {
    const { ledger, answers } = this;
    return ledger.written(this.#options.form === 'group' ? ledger.changes.answered : answers.queuedAnswered);
  }

  /** Why the rows are incomplete; `undefined` when they are not. */
  get truncated(): string | undefined {
    const faults = [this.groups.truncated, this.answers.truncated];
    if (this.#lostUnknown)
      faults.push('gateways do not say whom they ask, and the registry does not say whom they hold');
    if (this.lostUpdates > 0 && this.#options.isHunt !== true)
      faults.push(`${this.lostUpdates} reports of gateways were lost`);
    if (this.#countedTwice > 0) {
      faults.push(`${this.#countedTwice} endpoints answered over two gateways and may be counted twice in the rows`);
    }
    const reasons = faults.filter((fault) => fault !== undefined);
    return reasons.length === 0 ? undefined : reasons.join('; ');
  }

  /** Takes an update that arrived at `nowMs` (wall clock). Throws `RangeError` or `TypeError` when it is malformed. */
  take(update: GatewayUpdate, nowMs: number): UpdateResult {
    checkUpdate(update);
    const state = this.#gateway(update.gateway);
    if (state.dead) this.gatewayReturned(update.gateway);
    const sequenced = state.sequencer.take(update);
    if (sequenced.kind === 'repeat') return 'repeated';
    state.expected = true;
    if (sequenced.kind === 'wait') return 'waiting';
    if (sequenced.updates.some(isFirst)) state.hasTargeted = true;
    this.#apply(sequenced.updates, { gateway: update.gateway, whole: sequenced.kind === 'apply', nowMs });
    const last = sequenced.updates.at(-1);
    const isEndAfterLoss = last?.t === 'partial' && last.settled && state.sequencer.lost > 0;
    if (isEndAfterLoss) state.isMute = !state.hasTargeted;
    if (this.initialUpdatesIn) this.ledger.seal();
    if (isEndAfterLoss) this.ledger.updatesLost(update.gateway);
    return sequenced.kind === 'apply' ? 'applied' : 'partly';
  }

  /** The gateway is dead: its waiting endpoints are unreachable. Returns how many were waiting. */
  gatewayDied(gateway: GatewayId): number {
    const state = this.#gateways.get(gateway);
    if (state === undefined || state.dead) return 0;
    state.dead = true;
    const waited = this.ledger.gatewayDied(gateway);
    if (this.initialUpdatesIn) this.ledger.seal();
    return waited;
  }

  /** A gateway that was dead is heard again: it is waited for, as if it had never been. */
  gatewayReturned(gateway: GatewayId): void {
    const state = this.#gateway(gateway);
    state.expected = true;
    state.returned = true;
    if (!state.dead) return;
    state.dead = false;
    this.ledger.gatewayReturned(gateway);
  }

  /** Whether the gateway has said whom it asks, and is alive. */
  speaks(gateway: string): boolean {
    const state = this.#gateways.get(gateway as GatewayId);
    return state !== undefined && state.hasTargeted && !state.dead;
  }

  /** Endpoints of gateways that do not say whom they ask: those that are known. Without `why` they are unreachable. */
  addLost(
    { nums, isComplete }: { readonly nums: readonly number[]; readonly isComplete: boolean },
    why?: Reason,
  ): void {
    this.#lostUnknown = !isComplete;
    this.ledger.lost(nums, why);
  }

  #gateway(id: GatewayId): GatewayState {
    let state = this.#gateways.get(id);
    if (state === undefined) {
      state = {
        sequencer: new UpdateSequencer(),
        ...{ hasTargeted: false, isMute: false, expected: false, dead: false, returned: false },
      };
      this.#gateways.set(id, state);
    }
    return state;
  }

  #apply(
    updates: readonly GatewayUpdate[],
    { gateway, whole, nowMs }: { readonly gateway: GatewayId; readonly whole: boolean; readonly nowMs: number },
  ): void {
    const partials: PartialUpdate[] = [];
    for (const update of updates) {
      if (update.t === 'partial') partials.push(update);
      else this.#target(update, nowMs);
    }
    // Merged rows and the set of endpoints that gave them are applied together, and so are the pieces of a large answer: all, or nothing.
    if (whole) this.#applyRows(gateway, partials);
    for (const { empty, failures, warnings, working } of partials) {
      if (working !== undefined) this.#working.set(gateway, working);
      if (warnings !== undefined) this.warnings.add(warnings.filter(([num]) => this.#numbers.has(num)));
      if (empty.length > 0) this.ledger.empty(gateway, this.#numbers.decode(empty));
      for (const failure of failures) if (this.#numbers.has(failure[0])) this.ledger.fail(gateway, failure);
    }
  }

  #target({ gateway, targets, joined, moved, polls, begins }: TargetedUpdate, nowMs: number): void {
    if (begins === true) this.ledger.begunAnew(gateway);
    const polled = polls && { nums: new Set(this.#numbers.decode(polls.nums)), dueMs: nowMs + polls.withinMs };
    this.ledger.target(gateway, this.#numbers.decode(targets), joined, polled);
    if (moved !== undefined) this.ledger.target(gateway, this.#numbers.decode(moved), true, polled);
  }

  #applyRows(gateway: GatewayId, partials: readonly PartialUpdate[]): void {
    // All numbers first: a malformed set must not leave rows behind that belong to no endpoint.
    const answered = partials.map((partial) =>
      partial.answered.length === 0 ? [] : this.#numbers.decode(partial.answered),
    );
    // It was taken for dead, and an endpoint answered elsewhere what this gateway has merged: the rows cannot be told apart.
    if (this.#gateway(gateway).returned && answered.some((nums) => this.ledger.hasAnswered(nums))) {
      this.#dropMerged(gateway, answered.flat());
    } else {
      for (const nums of answered)
        if (nums.length > 0) this.#countedTwice += this.ledger.answeredInGroups(gateway, nums);
      for (const { groups } of partials) if (groups.length > 0) this.groups.addBlock(groups);
    }
    const blocks = partials.filter((partial) => partial.answers.length > 0).map((partial) => partial.answers);
    if (blocks.length === 0) return;
    if (this.#options.form === 'raw') this.#queueAnswers(gateway, blocks);
    else this.#mergeAnswers(gateway, blocks);
  }

  #dropMerged(gateway: GatewayId, nums: readonly number[]): void {
    const message = 'its rows were merged with those of an endpoint that has answered elsewhere';
    for (const num of nums) this.ledger.fail(gateway, [num, 'timed_out', 'report_lost', message]);
  }

  /** Raw form: accepted runs of a block go on unchanged. The pieces of a large answer follow each other under one number. */
  #queueAnswers(gateway: GatewayId, blocks: readonly Uint8Array[]): void {
    const { columns, eventBytes } = this.#options;
    let previous = 0;
    let accepted = false;
    for (const block of blocks) {
      let run = runFrom(0);
      const flush = (next: number): void => {
        const { from, to, ...counts } = run;
        if (to > from) this.answers.addRun({ bytes: block.subarray(from, to), ...counts });
        run = runFrom(next);
      };
      forEachAnswer(block, (num, start, end) => {
        const count = countRows(block, columns, start, end);
        const piece = num === previous;
        if (!piece) accepted = this.#numbers.has(num) && this.#acceptRaw(gateway, num, { count, hasRows: end > start });
        previous = num;
        if (!accepted) {
          flush(end);
          return;
        }
        if (end - run.from > eventBytes) flush(run.to);
        if (run.to === run.from) run.continues = piece;
        run.to = end;
        if (!piece) {
          run.answers += 1;
          run.answered += end > start ? 1 : 0;
        }
        run.rows += Math.max(count, 0);
      });
      flush(0);
    }
  }

  #acceptRaw(
    gateway: GatewayId,
    num: number,
    { count, hasRows }: { readonly count: number; readonly hasRows: boolean },
  ): boolean {
    return count < 0 ? this.#refuse(gateway, num) : this.ledger.settleAnswered(gateway, num, hasRows);
  }

  #refuse(gateway: GatewayId, num: number): false {
    this.ledger.fail(gateway, [num, 'error', 'malformed_rows', 'the answer is not made of rows of this query']);
    return false;
  }

  /** Group form: answers of endpoints that joined late, each refused or merged as a whole. */
  #mergeAnswers(gateway: GatewayId, blocks: readonly Uint8Array[]): void {
    const whole = new Map<number, Uint8Array>();
    for (const block of blocks) {
      for (const { num, rows } of readAnswerBlock(block)) {
        if (!this.#numbers.has(num)) continue;
        const before = whole.get(num);
        whole.set(num, before === undefined ? rows : Buffer.concat([before, rows]));
      }
    }
    for (const [num, rows] of whole) {
      const count = countRows(rows, this.#options.columns);
      if (count < 0) this.#refuse(gateway, num);
      else if (this.ledger.answer(gateway, num, rows) === 'accepted') this.#addRows(num, rows, count);
    }
  }

  #addRows(num: number, rows: Uint8Array, count: number): void {
    if (rows.length === 0) return;
    if (this.#options.form === 'group') this.groups.addAnswer(num, rows);
    else this.answers.add(num, rows, Math.max(count, 0));
  }
}

/** The update by which a gateway says whom it asks. */
const isFirst = (update: GatewayUpdate): boolean =>
  update.t === 'targeted' && (update.seq === 0 || !update.joined || update.begins === true);

const runFrom = (from: number) => ({ from, to: from, answers: 0, answered: 0, rows: 0, continues: false });
