import { describe, expect, test } from '@jest/globals';
import { MOVED_CODE, type GatewayUpdate } from '@muster/messages';
import { decodeRow, decodeRows, encodeCbor, ledgerBalances, type GatewayId, type QueryId } from '@muster/protocol';
import {
  AnswerBlockWriter,
  encodeNumberSet,
  GroupBlockWriter,
  KeptResult,
  readAnswerBlock,
  readGroupBlock,
  type Failure,
  type ResultEvent,
  type ResultForm,
} from '@muster/records';
import { newAggregator, NOTHING, rowsOf } from '../testing/gateway-updates.js';
import { nextResultEvent } from '../coordinator/next-result-event.js';
import type { ResultAggregator } from './result-aggregator.js';

const failureOf = (num: number): Failure | undefined =>
  num % 11 === 0 ? [num, 'error', 'sql', 'no such file'] : undefined;
const isEmpty = (num: number): boolean => num % 7 === 0;

/** A small random generator: a failing run can be repeated by its seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A gateway as the protocol describes it: merges answers of initial targets, names endpoints that joined, numbers its updates. */
class RandomGateway {
  readonly sessions = new Map<number, { joined: boolean; answered: boolean }>();
  /** Endpoints that have answered or failed: they are not asked again. */
  readonly #done = new Set<number>();
  outbox: GatewayUpdate[] = [];
  alive = true;
  #seq = 0;
  #answered: number[] = [];
  #attributed: number[] = [];
  #empty: number[] = [];
  #failures: Failure[] = [];

  readonly id: GatewayId;
  readonly form: ResultForm;

  constructor(id: GatewayId, form: ResultForm) {
    this.id = id;
    this.form = form;
  }

  /** Every third endpoint polls; of those that join, which ones poll varies with the moment. */
  target(nums: number[], joined: boolean): void {
    const asked = nums.filter((num) => !this.#done.has(num));
    if (joined && asked.length === 0) return;
    for (const num of asked) this.sessions.set(num, { joined, answered: false });
    this.#failures = this.#failures.filter(([num, outcome]) => outcome !== 'disconnected' || !asked.includes(num));
    const polls = asked.filter((num) => (num + (joined ? this.#seq : 0)) % 3 === 0);
    const polling = polls.length === 0 ? {} : { polls: { nums: encodeNumberSet(polls), withinMs: 1_000 } };
    this.#send({ t: 'targeted', joined, targets: encodeNumberSet(asked), ...polling });
  }

  answer(num: number): void {
    const session = this.sessions.get(num);
    if (session === undefined || session.answered) return;
    session.answered = true;
    this.#done.add(num);
    const failure = failureOf(num);
    if (failure !== undefined) this.#failures.push(failure);
    else if (isEmpty(num)) this.#empty.push(num);
    else if (session.joined || this.form === 'raw') this.#attributed.push(num);
    else this.#answered.push(num);
  }

  leave(num: number): void {
    const session = this.sessions.get(num);
    if (session === undefined) return;
    this.sessions.delete(num);
    // Half of them are known to have moved.
    const code = num % 2 === 0 ? MOVED_CODE : 'closed';
    if (!session.answered) this.#failures.push([num, 'disconnected', code, 'the session ended']);
  }

  flush(inParts: boolean): void {
    const groups = new GroupBlockWriter();
    for (const num of this.#answered) {
      for (const row of decodeRows(rowsOf(num), 2))
        groups.add(0, { row: encodeCbor(row), endpoints: 1, copies: 1, sample: [num] });
    }
    const answers = new AnswerBlockWriter();
    for (const num of this.#attributed) {
      const rows = rowsOf(num);
      // Large answers come in pieces; here every third one does.
      if (num % 3 === 0) for (const row of decodeRows(rows, 2)) answers.add(num, encodeCbor(row));
      else answers.add(num, rows);
    }
    const empty = { answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING };
    const head = { ...empty, answers: answers.bytes(), groups: groups.bytes() };
    const tail = {
      answered: encodeNumberSet(this.#answered),
      empty: encodeNumberSet(this.#empty),
      failures: this.#failures,
    };
    const settled = [...this.sessions.values()].every((session) => session.answered);
    if (inParts) this.#send({ t: 'partial', more: true, settled: false, ...head });
    this.#send({ t: 'partial', more: false, settled, ...(inParts ? empty : head), ...tail });
    this.#answered = [];
    this.#attributed = [];
    this.#empty = [];
    this.#failures = [];
  }

  #send(content: Record<string, unknown>): void {
    this.outbox.push({
      ...content,
      query: 'q' as QueryId,
      gateway: this.id,
      seq: this.#seq++,
    } as unknown as GatewayUpdate);
  }
}

/** Counts how often each endpoint's row is in the result stream. */
class RowReader {
  readonly #groups = new Map<number, { only: number; endpoints: number }>();
  readonly #raw = new Map<number, number>();
  #toCome: Uint8Array[] = [];

  read(event: ResultEvent): void {
    if (event.t === 'groups') {
      this.#toCome.push(event.groups);
      if (event.more === true) return;
      for (const block of this.#toCome) this.#readGroups(block);
      this.#toCome = [];
    }
    if (event.t !== 'rows') return;
    for (const { num, rows } of readAnswerBlock(event.answers)) {
      for (const [name] of decodeRows(rows, 2) as [string, number][]) {
        if (name === `only-${num}`) this.#raw.set(num, (this.#raw.get(num) ?? 0) + 1);
      }
    }
  }

  #readGroups(block: Uint8Array): void {
    for (const { index, row, endpoints } of readGroupBlock(block)) {
      const [name] = decodeRow(row) as [string];
      if (name.startsWith('only-')) this.#groups.set(index, { only: Number(name.slice(5)), endpoints });
    }
  }

  counted(): Map<number, number> {
    const counts = new Map(this.#raw);
    for (const { only, endpoints } of this.#groups.values()) counts.set(only, (counts.get(only) ?? 0) + endpoints);
    return counts;
  }
}

/** Reads the events of a coordinator as they are written, and checks that each of them is true for itself. */
class StreamReader {
  readonly rows = new RowReader();
  readonly named = new Map<number, Failure>();
  readonly #kept = new KeptResult({ columns: ['name', 'n'] });
  readonly #aggregator: ResultAggregator;
  #progressDue = false;

  constructor(aggregator: ResultAggregator) {
    this.#aggregator = aggregator;
  }

  /** Takes at most so many events. Returns whether none is left. */
  take(limit: number): boolean {
    const scheduler = {
      due: true,
      groupsDue: (bytes: number) => bytes > 0,
      takeProgress: () => this.#progressDue && !(this.#progressDue = false),
    };
    this.#progressDue = true;
    for (let taken = 0; taken < limit; taken += 1) {
      const event = nextResultEvent(this.#aggregator, scheduler, { eventBytes: 200, elapsedMs: 0 });
      if (event === undefined) return true;
      this.#read(event);
    }
    return false;
  }

  #read(event: ResultEvent): void {
    this.rows.read(event);
    this.#kept.apply(event);
    if (event.t === 'failures') for (const failure of event.failures) this.named.set(failure[0], failure);
    if (event.t === 'recovered') for (const num of event.numbers) this.named.delete(num);
    if (!('ledger' in event) || event.ledger === undefined) return;
    const { ledger } = event;
    const { waiting, answered, empty, targeted } = ledger;
    const said = [ledgerBalances(ledger), ledger, waiting, [], answered, targeted - waiting - answered - empty];
    const { cut, answeredFailures } = this.#kept;
    const inRows = cut ? answered : this.rows.counted().size;
    const kept = [true, this.#kept.ledger, this.#kept.waiting.length, answeredFailures, inRows, this.named.size];
    if (JSON.stringify(kept) !== JSON.stringify(said))
      throw new Error(`${JSON.stringify(kept)} is kept, ${JSON.stringify(said)} said`);
  }
}

interface Run {
  readonly seed: number;
  readonly form: ResultForm;
  readonly losses: boolean;
  readonly deaths: boolean;
}

/** Plays a random history and checks the invariants after every step. */
function play({ seed, form, losses, deaths }: Run): void {
  const random = randomFrom(seed);
  const gateways = ['gw-a', 'gw-b', 'gw-c'].map((id) => new RandomGateway(id as GatewayId, form));
  const aggregator = newAggregator(form);
  const stream = new StreamReader(aggregator);
  const { rows, named } = stream;
  const at = new Map<number, RandomGateway>();
  for (const gateway of gateways) aggregator.expect(gateway.id);
  for (let num = 1; num <= 60; num += 1) at.set(num, gateways[random(3)]!);
  for (const gateway of gateways)
    gateway.target(
      [...at].filter(([, home]) => home === gateway).map(([num]) => num),
      false,
    );

  const check = (events = random(5)): void => {
    const ledger = aggregator.ledger.snapshot();
    const { polling } = aggregator.ledger;
    if ((polling?.waiting ?? 0) > ledger.waiting) throw new Error(`seed ${seed}: ${polling?.waiting} poll`);
    if (polling !== undefined && polling.answerByMs !== 1_000) throw new Error(`seed ${seed}: ${polling.answerByMs}`);
    if (!ledgerBalances(ledger)) throw new Error(`seed ${seed}: ${JSON.stringify(ledger)}`);
    if (!stream.take(events)) return;
    const counted = rows.counted();
    // When a gateway's targets are lost, its merged answers may be counted twice; then `truncated` says so.
    const inDoubt = Number(/(\d+) endpoints answered over two/.exec(aggregator.truncated ?? '')?.[1] ?? 0);
    const twice = [...counted.values()].reduce((sum, times) => sum + times - 1, 0);
    if (twice > (losses ? inDoubt : 0)) throw new Error(`seed ${seed}: ${twice} counted twice, ${inDoubt} announced`);
    if (counted.size !== ledger.answered)
      throw new Error(`seed ${seed}: ${counted.size} in rows, ${ledger.answered} answered`);
  };
  const deliver = (gateway: RandomGateway): void => {
    const update = gateway.outbox.shift();
    if (update === undefined) return;
    if (losses && random(12) === 0) return;
    aggregator.take(update, 0);
    if (losses && random(12) === 0) aggregator.take(update, 0);
  };
  const move = (num: number): void => {
    const from = at.get(num)!;
    const to = gateways[random(3)]!;
    if (!to.alive) return;
    if (to === from) return to.target([num], true);
    // Make before break: sometimes the new gateway sends its update before the old one has noticed.
    if (random(2) === 0) from.leave(num);
    to.target([num], true);
    from.leave(num);
    at.set(num, to);
  };
  for (let step = 0; step < 400; step += 1) {
    const gateway = gateways[random(3)]!;
    const num = 1 + random(60);
    const dice = random(100);
    if (dice < 40) at.get(num)!.answer(num);
    else if (dice < 65) deliver(gateway);
    else if (dice < 80 && gateway.alive) gateway.flush(random(2) === 0);
    else if (dice < 95) move(num);
    else if (deaths && dice === 95 && gateways.filter((one) => one.alive).length > 1) {
      gateway.alive = false;
      if (random(2) === 0) gateway.outbox = [];
    } else if (!gateway.alive && dice === 96) aggregator.gatewayDied(gateway.id);
    // A gateway that could not be heard is taken for dead, and goes on.
    else if (deaths && dice === 97) aggregator.gatewayDied(gateway.id);
    else if (dice === 98) aggregator.ledger.expireMoves(step * 100);
    check();
  }
  for (const gateway of gateways) {
    if (gateway.alive) for (const [num] of gateway.sessions) gateway.answer(num);
    if (gateway.alive) gateway.flush(true);
    while (gateway.outbox.length > 0) deliver(gateway);
    if (!gateway.alive) aggregator.gatewayDied(gateway.id);
    check();
  }
  for (const nowMs of [100_000, 200_000]) aggregator.ledger.expireMoves(nowMs);
  if (!losses && !deaths) expect(aggregator.settled).toBe(true);
  aggregator.ledger.end('deadline', 'no answer in time');
  check(Infinity);
  const ledger = aggregator.ledger.snapshot();
  expect(ledger.waiting).toBe(0);
  expect(aggregator.ledger.polling).toBeUndefined();
  expect(named.size).toBe(ledger.targeted - ledger.answered - ledger.empty);
  expect(losses || deaths || ledger.targeted === 60).toBe(true);
}

describe.each(['raw', 'group'] as const)('the ledger of a random history: %s', (form) => {
  test.each([
    { losses: false, deaths: false },
    { losses: false, deaths: true },
    { losses: true, deaths: true },
  ])('balances after every step, no row counts twice, and every event is true for itself: %p', (kind) => {
    for (let seed = 1; seed <= 50; seed += 1) play({ seed, form, ...kind });
  });
});
