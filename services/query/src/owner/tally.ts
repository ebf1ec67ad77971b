import type { GatewayUpdate, PartialUpdate, TargetedUpdate } from '@muster/messages';
import { countRows, type GatewayId } from '@muster/protocol';
import { decodeNumberSet, readAnswerBlock, type ResultForm } from '@muster/records';
import { QueryLedger } from '../ledger/query-ledger.js';
import { ReportOrder } from '../ledger/report-order.js';
import { GroupMerge } from '../merge/group-merge.js';
import { AnswerQueue } from '../results/answer-queue.js';

export interface TallyOptions {
  readonly mode: ResultForm;
  readonly columns: number;
  readonly maxGroups: number;
  readonly maxGroupBytes: number;
  readonly maxQueuedBytes: number;
  readonly maxResultBytes: number;
  /** About how large one event of the result stream may be. */
  readonly eventBytes: number;
}

/** Reports that changed nothing, and why. */
export type TakeResult = 'applied' | 'partly' | 'waiting' | 'repeated' | 'dead_gateway';

interface GatewayPart {
  readonly order: ReportOrder;
  reported: boolean;
  dead: boolean;
}

/** Everything that one query has gathered, and the rules by which reports change it. No time, no I/O. */
export class Tally {
  readonly ledger: QueryLedger;
  readonly groups: GroupMerge;
  readonly answers: AnswerQueue;
  readonly #options: TallyOptions;
  readonly #gateways = new Map<GatewayId, GatewayPart>();
  #missing = 0;
  #countedTwice = 0;
  #silentDeaths = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
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
      mode: options.mode,
      onReleased: (num, rows) => this.#keep(num, rows, countRows(rows, options.columns)),
    });
  }

  /** The query is not complete before this gateway has said what it asks, or is dead. */
  expect(gateway: GatewayId): void {
    this.#gateway(gateway, true);
  }

  /** Every gateway that was expected has said what it asks, or is dead. */
  get initialReportsIn(): boolean {
    return this.#missing === 0;
  }

  /** Nothing more can come, except from endpoints that connect later. */
  get settled(): boolean {
    return this.initialReportsIn && this.ledger.waiting === 0;
  }

  /** Gateways that the query still needs something from. */
  *pending(): Generator<GatewayId> {
    for (const [gateway, part] of this.#gateways) {
      if (!part.dead && (!part.reported || this.ledger.waitingAt(gateway) > 0)) yield gateway;
    }
  }

  /** Gateways that said what they ask and live. */
  get gateways(): number {
    let count = 0;
    for (const part of this.#gateways.values()) if (part.reported && !part.dead) count += 1;
    return count;
  }

  get lostReports(): number {
    let lost = 0;
    for (const part of this.#gateways.values()) lost += part.order.lost;
    return lost;
  }

  /** Rows (raw) or distinct rows (group). */
  get rows(): number {
    return this.#options.mode === 'group' ? this.groups.size : this.answers.rows;
  }

  /** What makes the rows less than the whole truth; `undefined` when nothing does. */
  get truncated(): string | undefined {
    const faults = [this.groups.truncated, this.answers.truncated];
    if (this.#silentDeaths > 0) faults.push(`${this.#silentDeaths} gateways died before they said whom they ask`);
    if (this.lostReports > 0) faults.push(`${this.lostReports} reports of gateways were lost`);
    if (this.#countedTwice > 0) {
      faults.push(`${this.#countedTwice} endpoints answered over two gateways and may be counted twice in the rows`);
    }
    const said = faults.filter((fault) => fault !== undefined);
    return said.length === 0 ? undefined : said.join('; ');
  }

  /** Takes one report that came at this time, by the wall clock. Throws `RangeError` or `TypeError` when its sets or blocks are malformed. */
  take(report: GatewayUpdate, nowMs: number): TakeResult {
    const part = this.#gateway(report.gateway, false);
    if (part.dead) return 'dead_gateway';
    const arrival = part.order.take(report);
    if (arrival.kind === 'repeat') return 'repeated';
    if (!part.reported) {
      part.reported = true;
      this.#missing -= 1;
    }
    if (arrival.kind === 'wait') return 'waiting';
    this.#apply(arrival.reports, { gateway: report.gateway, whole: arrival.kind === 'apply', nowMs });
    const last = arrival.reports.at(-1);
    if (this.initialReportsIn) this.ledger.seal();
    if (last?.t === 'partial' && last.settled && part.order.lost > 0) this.ledger.reportsLost(report.gateway);
    return arrival.kind === 'apply' ? 'applied' : 'partly';
  }

  /** The gateway is dead: what waits there is unreachable, and what it still says is not believed. Returns how many waited. */
  gatewayDied(gateway: GatewayId): number {
    const part = this.#gateways.get(gateway);
    if (part === undefined || part.dead) return 0;
    if (!part.reported) {
      this.#missing -= 1;
      // Whoever it held is not even known to be missing: the result must say so itself.
      this.#silentDeaths += 1;
    }
    part.dead = true;
    part.reported = true;
    const waited = this.ledger.gatewayDied(gateway);
    if (this.initialReportsIn) this.ledger.seal();
    return waited;
  }

  #gateway(id: GatewayId, expected: boolean): GatewayPart {
    let part = this.#gateways.get(id);
    if (part === undefined) {
      part = { order: new ReportOrder(), reported: !expected, dead: false };
      this.#gateways.set(id, part);
      if (expected) this.#missing += 1;
    }
    return part;
  }

  #apply(
    reports: readonly GatewayUpdate[],
    { gateway, whole, nowMs }: { readonly gateway: GatewayId; readonly whole: boolean; readonly nowMs: number },
  ): void {
    const partials: PartialUpdate[] = [];
    for (const report of reports) {
      if (report.t === 'partial') partials.push(report);
      else this.#target(report, nowMs);
    }
    // Merged rows and the set of who gave them belong together, and so do the pieces of a large answer: all of it, or none.
    if (whole) this.#applyRows(gateway, partials);
    for (const { empty, failures } of partials) {
      if (empty.length > 0) this.ledger.empty(gateway, decodeNumberSet(empty));
      for (const failure of failures) this.ledger.fail(gateway, failure);
    }
  }

  #target({ gateway, targets, joined, moved, polls }: TargetedUpdate, nowMs: number): void {
    const polled = polls && { nums: new Set(decodeNumberSet(polls.nums)), dueMs: nowMs + polls.withinMs };
    this.ledger.target(gateway, decodeNumberSet(targets), joined, polled);
    if (moved !== undefined) this.ledger.target(gateway, decodeNumberSet(moved), true, polled);
  }

  #applyRows(gateway: GatewayId, partials: readonly PartialUpdate[]): void {
    // All numbers first: a malformed set must not leave rows behind that nobody gave.
    const answered = partials.map((partial) =>
      partial.answered.length === 0 ? [] : decodeNumberSet(partial.answered),
    );
    for (const nums of answered) if (nums.length > 0) this.#countedTwice += this.ledger.combined(gateway, nums);
    for (const { groups } of partials) if (groups.length > 0) this.groups.addBlock(groups);
    const blocks = partials.filter((partial) => partial.answers.length > 0).map((partial) => partial.answers);
    if (blocks.length === 0) return;
    if (this.#options.mode === 'raw') this.#passOn(gateway, blocks);
    else this.#mergeAnswers(gateway, blocks);
  }

  /** Raw mode: accepted stretches of a block go on as they are. The pieces of a large answer follow each other under one number. */
  #passOn(gateway: GatewayId, blocks: readonly Uint8Array[]): void {
    const { columns, eventBytes } = this.#options;
    let previous = 0;
    let accepted = false;
    for (const block of blocks) {
      let run = { from: 0, to: 0, answers: 0, rows: 0 };
      const flush = (next: number): void => {
        if (run.to > run.from) this.answers.addRun(block.subarray(run.from, run.to), run.answers, run.rows);
        run = { from: next, to: next, answers: 0, rows: 0 };
      };
      for (const { num, rows } of readAnswerBlock(block)) {
        const end = rows.byteOffset + rows.length - block.byteOffset;
        const count = countRows(rows, columns);
        const piece = num === previous;
        if (!piece) accepted = this.#accept(gateway, num, rows, count);
        previous = num;
        if (!accepted) {
          flush(end);
          continue;
        }
        if (end - run.from > eventBytes) flush(run.to);
        run.to = end;
        run.answers += piece ? 0 : 1;
        run.rows += Math.max(count, 0);
      }
      flush(0);
    }
  }

  #accept(gateway: GatewayId, num: number, rows: Uint8Array, count: number): boolean {
    if (count >= 0) return this.ledger.answer(gateway, num, rows) === 'accepted';
    this.ledger.fail(gateway, [num, 'error', 'malformed_rows', 'the answer is not made of rows of this query']);
    return false;
  }

  /** Group mode: answers of endpoints that joined late, each refused or merged as a whole. */
  #mergeAnswers(gateway: GatewayId, blocks: readonly Uint8Array[]): void {
    const whole = new Map<number, Uint8Array>();
    for (const block of blocks) {
      for (const { num, rows } of readAnswerBlock(block)) {
        const before = whole.get(num);
        whole.set(num, before === undefined ? rows : Buffer.concat([before, rows]));
      }
    }
    for (const [num, rows] of whole) {
      const count = countRows(rows, this.#options.columns);
      if (this.#accept(gateway, num, rows, count)) this.#keep(num, rows, count);
    }
  }

  #keep(num: number, rows: Uint8Array, count: number): void {
    if (rows.length === 0) return;
    if (this.#options.mode === 'group') this.groups.addAnswer(num, rows);
    else this.answers.add(num, rows, Math.max(count, 0));
  }
}
