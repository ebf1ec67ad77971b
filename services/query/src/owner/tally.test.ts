import { describe, expect, test } from '@jest/globals';
import type { GatewayUpdate } from '@muster/messages';
import { decodeRows, encodeCbor, ledgerBalances, decodeRow, type GatewayId, type QueryId } from '@muster/protocol';
import {
  AnswerBlockWriter,
  encodeNumberSet,
  GroupBlockWriter,
  readAnswerBlock,
  readGroupBlock,
  type Failure,
  type ResultForm,
} from '@muster/records';
import { Tally } from './tally.js';

const NOTHING = new Uint8Array(0);
const newTally = (mode: ResultForm, options: Partial<ConstructorParameters<typeof Tally>[0]> = {}): Tally =>
  new Tally({
    mode,
    columns: 2,
    maxGroups: 10_000,
    maxGroupBytes: 10_000_000,
    maxQueuedBytes: 10_000_000,
    maxResultBytes: 100_000_000,
    eventBytes: 256,
    ...options,
  });

/** One row that only this endpoint has, one that some share. */
const rowsOf = (num: number): Uint8Array =>
  Buffer.concat([encodeCbor([`only-${num}`, num]), encodeCbor(['shared', num % 3])]);
const failureOf = (num: number): Failure | undefined =>
  num % 11 === 0 ? [num, 'error', 'sql', 'no such file'] : undefined;
const isEmpty = (num: number): boolean => num % 7 === 0;

/** A small random generator, so that a failing run can be repeated by its seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 1;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A gateway as the protocol describes it: merges what it asked from the start, names what joined, numbers its reports. */
class ModelGateway {
  readonly sessions = new Map<number, { joined: boolean; answered: boolean }>();
  /** Whose own word was heard: they are not asked again. */
  readonly #heard = new Set<number>();
  outbox: GatewayUpdate[] = [];
  alive = true;
  #seq = 0;
  #answered: number[] = [];
  #attributed: number[] = [];
  #empty: number[] = [];
  #failures: Failure[] = [];

  readonly id: GatewayId;
  readonly mode: ResultForm;

  constructor(id: GatewayId, mode: ResultForm) {
    this.id = id;
    this.mode = mode;
  }

  /** Every third of them polls, or with `joined` one who joins at an odd moment. */
  target(nums: number[], joined: boolean): void {
    const asked = nums.filter((num) => !this.#heard.has(num));
    if (joined && asked.length === 0) return;
    for (const num of asked) this.sessions.set(num, { joined, answered: false });
    this.#failures = this.#failures.filter(([num, outcome]) => outcome !== 'disconnected' || !asked.includes(num));
    const polls = asked.filter((num) => (num + (joined ? this.#seq : 0)) % 3 === 0);
    const told = polls.length === 0 ? {} : { polls: { nums: encodeNumberSet(polls), withinMs: 1_000 } };
    this.#report({ t: 'targeted', joined, targets: encodeNumberSet(asked), ...told });
  }

  answer(num: number): void {
    const session = this.sessions.get(num);
    if (session === undefined || session.answered) return;
    session.answered = true;
    this.#heard.add(num);
    const failure = failureOf(num);
    if (failure !== undefined) this.#failures.push(failure);
    else if (isEmpty(num)) this.#empty.push(num);
    else if (session.joined || this.mode === 'raw') this.#attributed.push(num);
    else this.#answered.push(num);
  }

  leave(num: number): void {
    const session = this.sessions.get(num);
    if (session === undefined) return;
    this.sessions.delete(num);
    if (!session.answered) this.#failures.push([num, 'disconnected', 'closed', 'the session ended']);
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
      // A large answer comes in pieces; here every third one does.
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
    if (inParts) this.#report({ t: 'partial', more: true, settled: false, ...head });
    this.#report({ t: 'partial', more: false, settled, ...(inParts ? empty : head), ...tail });
    this.#answered = [];
    this.#attributed = [];
    this.#empty = [];
    this.#failures = [];
  }

  #report(content: Record<string, unknown>): void {
    this.outbox.push({
      ...content,
      query: 'q' as QueryId,
      gateway: this.id,
      seq: this.#seq++,
    } as unknown as GatewayUpdate);
  }
}

/** Counts in how many of the tally's rows an endpoint is, from what would go to the result stream. */
class RowReader {
  readonly #groups = new Map<number, { only: number; endpoints: number }>();
  readonly #raw = new Map<number, number>();

  read(tally: Tally): void {
    for (let block = tally.groups.takeChanged(200); block !== undefined; block = tally.groups.takeChanged(200)) {
      for (const { index, row, endpoints } of readGroupBlock(block)) {
        const [name] = decodeRow(row) as [string];
        if (name.startsWith('only-')) this.#groups.set(index, { only: Number(name.slice(5)), endpoints });
      }
    }
    for (let block = tally.answers.take(); block !== undefined; block = tally.answers.take()) {
      for (const { num, rows } of readAnswerBlock(block)) {
        for (const [name] of decodeRows(rows, 2) as [string, number][]) {
          if (name === `only-${num}`) this.#raw.set(num, (this.#raw.get(num) ?? 0) + 1);
        }
      }
    }
  }

  counted(): Map<number, number> {
    const counts = new Map(this.#raw);
    for (const { only, endpoints } of this.#groups.values()) counts.set(only, (counts.get(only) ?? 0) + endpoints);
    return counts;
  }
}

interface Run {
  readonly seed: number;
  readonly mode: ResultForm;
  readonly losses: boolean;
  readonly deaths: boolean;
}

/** Plays a random history and checks after every step. */
function play({ seed, mode, losses, deaths }: Run): void {
  const random = randomFrom(seed);
  const gateways = ['gw-a', 'gw-b', 'gw-c'].map((id) => new ModelGateway(id as GatewayId, mode));
  const tally = newTally(mode);
  const rows = new RowReader();
  const named = new Map<number, Failure>();
  const at = new Map<number, ModelGateway>();
  for (const gateway of gateways) tally.expect(gateway.id);
  for (let num = 1; num <= 60; num += 1) at.set(num, gateways[random(3)]!);
  for (const gateway of gateways)
    gateway.target(
      [...at].filter(([, home]) => home === gateway).map(([num]) => num),
      false,
    );

  const check = (): void => {
    const ledger = tally.ledger.snapshot();
    const { polling } = tally.ledger;
    if ((polling?.waiting ?? 0) > ledger.waiting) throw new Error(`seed ${seed}: ${polling?.waiting} poll`);
    if (polling !== undefined && polling.answerByMs !== 1_000) throw new Error(`seed ${seed}: ${polling.answerByMs}`);
    if (!ledgerBalances(ledger)) throw new Error(`seed ${seed}: ${JSON.stringify(ledger)}`);
    rows.read(tally);
    const counted = rows.counted();
    // When the report that said whom a gateway asks is lost, nobody can know that an endpoint is merged already; then it is said.
    const inDoubt = Number(/(\d+) endpoints answered over two/.exec(tally.truncated ?? '')?.[1] ?? 0);
    const twice = [...counted.values()].reduce((sum, times) => sum + times - 1, 0);
    if (twice > (losses ? inDoubt : 0)) throw new Error(`seed ${seed}: ${twice} counted twice, ${inDoubt} said`);
    if (counted.size !== ledger.answered)
      throw new Error(`seed ${seed}: ${counted.size} in rows, ${ledger.answered} answered`);
    for (const failure of tally.ledger.failures.takeFailures(1_000_000)) named.set(failure[0], failure);
    for (const num of tally.ledger.failures.takeRecovered(1_000)) named.delete(num);
  };
  const deliver = (gateway: ModelGateway): void => {
    const report = gateway.outbox.shift();
    if (report === undefined) return;
    if (losses && random(12) === 0) return;
    tally.take(report, 0);
    if (losses && random(12) === 0) tally.take(report, 0);
  };
  const move = (num: number): void => {
    const from = at.get(num)!;
    const to = gateways[random(3)]!;
    if (!to.alive) return;
    if (to === from) return to.target([num], true);
    // Make before break: sometimes the new gateway says so before the old one has noticed.
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
    } else if (!gateway.alive && dice === 96) tally.gatewayDied(gateway.id);
    check();
  }
  for (const gateway of gateways) {
    if (gateway.alive) for (const [num] of gateway.sessions) gateway.answer(num);
    if (gateway.alive) gateway.flush(true);
    while (gateway.outbox.length > 0) deliver(gateway);
    if (!gateway.alive) tally.gatewayDied(gateway.id);
    check();
  }
  if (!losses && !deaths) expect(tally.settled).toBe(true);
  tally.ledger.end('deadline', 'no answer in time');
  check();
  const ledger = tally.ledger.snapshot();
  expect(ledger.waiting).toBe(0);
  expect(tally.ledger.polling).toBeUndefined();
  expect(named.size).toBe(ledger.targeted - ledger.answered - ledger.empty);
  expect(losses || deaths || ledger.targeted === 60).toBe(true);
}

describe('tally', () => {
  const modes: ResultForm[] = ['raw', 'group'];
  for (const mode of modes) {
    test.each([
      { losses: false, deaths: false },
      { losses: false, deaths: true },
      { losses: true, deaths: true },
    ])(`balances after every step and counts no row twice: ${mode}, %p`, (kind) => {
      for (let seed = 1; seed <= 50; seed += 1) play({ seed, mode, ...kind });
    });
  }

  const report = (gateway: string, seq: number, content: object): GatewayUpdate =>
    ({
      ...{ query: 'q', gateway, seq, t: 'partial', more: false, settled: false },
      ...{ answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING },
      ...content,
    }) as unknown as GatewayUpdate;
  const targeted = (gateway: string, seq: number, nums: number[], joined = false): GatewayUpdate =>
    report(gateway, seq, { t: 'targeted', joined, targets: encodeNumberSet(nums) });
  const answers = (...nums: number[]): Uint8Array => {
    const writer = new AnswerBlockWriter();
    for (const num of nums) writer.add(num, rowsOf(num));
    return writer.bytes();
  };
  const merged = (...nums: number[]) => {
    const groups = new GroupBlockWriter();
    for (const num of nums) {
      for (const row of decodeRows(rowsOf(num), 2))
        groups.add(0, { row: encodeCbor(row), endpoints: 1, copies: 1, sample: [num] });
    }
    return { answered: encodeNumberSet(nums), groups: groups.bytes() };
  };
  const endpointsOf = (tally: Tally, name: string): number => {
    let endpoints = 0;
    for (let block = tally.groups.takeChanged(1_000); block !== undefined; block = tally.groups.takeChanged(1_000)) {
      for (const group of readGroupBlock(block)) if (decodeRow(group.row)[0] === name) endpoints = group.endpoints;
    }
    return endpoints;
  };

  test('is settled when every expected gateway has said that it asks nobody', () => {
    const tally = newTally('group');
    tally.expect('gw-a' as GatewayId);
    tally.expect('gw-b' as GatewayId);
    tally.take(targeted('gw-a', 0, []), 0);
    expect(tally.settled).toBe(false);
    tally.take(targeted('gw-b', 0, []), 0);
    expect(tally.settled).toBe(true);
    expect(tally.ledger.snapshot().targeted).toBe(0);
  });

  test('a dead gateway is not waited for, and nothing it says is believed', () => {
    const tally = newTally('group');
    tally.expect('gw-a' as GatewayId);
    tally.take(targeted('gw-a', 0, [1, 2, 3]), 0);
    tally.take(report('gw-a', 1, merged(1)), 0);
    expect(tally.gatewayDied('gw-a' as GatewayId)).toBe(2);
    expect(tally.take(report('gw-a', 2, merged(2, 3)), 0)).toBe('dead_gateway');
    expect(tally.ledger.snapshot()).toMatchObject({ targeted: 3, answered: 1, unreachable: 2, waiting: 0 });
  });

  test('a gateway all of whose endpoints have just moved to it is waited for', () => {
    const tally = newTally('group');
    tally.expect('gw-a' as GatewayId);
    tally.take(Object.assign(targeted('gw-a', 0, []), { moved: encodeNumberSet([1, 2]) }), 0);
    expect(tally.settled).toBe(false);
    tally.take(report('gw-a', 1, { answers: answers(1, 2) }), 0);
    expect(tally.settled).toBe(true);
    expect(tally.ledger.snapshot()).toMatchObject({ targeted: 2, answered: 2 });
  });

  test('a gateway that dies before it said whom it asks is named as what is missing', () => {
    const tally = newTally('group');
    tally.expect('gw-a' as GatewayId);
    tally.expect('gw-b' as GatewayId);
    tally.take(targeted('gw-a', 0, []), 0);
    tally.gatewayDied('gw-b' as GatewayId);
    expect(tally.settled).toBe(true);
    expect(tally.truncated).toBe('1 gateways died before they said whom they ask');
  });

  test('an answer from a second gateway is held until the first one has settled that endpoint', () => {
    const tally = newTally('group');
    tally.take(targeted('gw-a', 0, [1, 2]), 0);
    tally.take(targeted('gw-b', 0, [1, 2], true), 0);
    tally.take(report('gw-b', 1, { answers: answers(1, 2) }), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ waiting: 2, answered: 0 });
    tally.take(report('gw-a', 1, { ...merged(1), failures: [[2, 'disconnected', 'closed', '']] }), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ waiting: 0, answered: 2, targeted: 2 });
    expect(endpointsOf(tally, 'shared')).toBe(1);
    expect(tally.truncated).toBeUndefined();
  });

  test('held answers count at the end, when nothing else will be believed', () => {
    const tally = newTally('group');
    tally.take(targeted('gw-a', 0, [1]), 0);
    tally.take(targeted('gw-b', 0, [1], true), 0);
    tally.take(report('gw-b', 1, { answers: answers(1) }), 0);
    tally.ledger.end('deadline', '');
    expect(tally.ledger.snapshot()).toMatchObject({ answered: 1, timed_out: 0, waiting: 0 });
    expect(endpointsOf(tally, 'only-1')).toBe(1);
  });

  test('an endpoint that answers after it was listed as missing is recovered', () => {
    const tally = newTally('raw');
    tally.take(targeted('gw-a', 0, [5]), 0);
    tally.take(report('gw-a', 1, { failures: [[5, 'disconnected', 'closed', '']] }), 0);
    expect(tally.ledger.failures.takeFailures(1_000_000)).toHaveLength(1);
    tally.take(targeted('gw-b', 0, [5], true), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ waiting: 1, disconnected: 0 });
    expect(tally.ledger.failures.takeRecovered(1_000)).toEqual([]);
    tally.take(report('gw-b', 1, { answers: answers(5) }), 0);
    expect(tally.ledger.failures.takeRecovered(1_000)).toEqual([5]);
  });

  describe('of those who poll', () => {
    const polled = (gateway: string, seq: number, asked: { live?: number[]; poll: number[]; withinMs: number }) => {
      const { live = [], poll, withinMs } = asked;
      const polls = { nums: encodeNumberSet(poll), withinMs };
      return Object.assign(targeted(gateway, seq, [...live, ...poll], seq > 0), { polls });
    };

    test('it knows how many are waited for, and when the last of them is due', () => {
      const tally = newTally('group');
      tally.take(polled('gw-a', 0, { live: [1], poll: [2, 3], withinMs: 60_000 }), 1_000);
      expect(tally.ledger.polling).toEqual({ waiting: 2, answerByMs: 61_000 });
      tally.take(polled('gw-b', 0, { poll: [4], withinMs: 90_000 }), 2_000);
      expect(tally.ledger.polling).toEqual({ waiting: 3, answerByMs: 92_000 });
      tally.take(report('gw-b', 1, merged(4)), 3_000);
      expect(tally.ledger.polling).toEqual({ waiting: 2, answerByMs: 61_000 });
      tally.take(report('gw-a', 1, { empty: encodeNumberSet([2, 3]) }), 4_000);
      expect(tally.ledger.polling).toBeUndefined();
      expect(tally.ledger.snapshot()).toMatchObject({ targeted: 4, waiting: 1, answered: 1, empty: 2 });
      tally.take(polled('gw-a', 2, { poll: [5], withinMs: 10_000 }), 5_000);
      expect(tally.ledger.polling).toEqual({ waiting: 1, answerByMs: 15_000 });
    });

    test('those who die with their gateway are not waited for', () => {
      const tally = newTally('group');
      tally.take(polled('gw-a', 0, { poll: [1], withinMs: 60_000 }), 0);
      tally.gatewayDied('gw-a' as GatewayId);
      expect(tally.ledger.polling).toBeUndefined();
    });

    test.each(modes)('one that goes over to Live, or the other way, is what its newer session is: %s', (mode) => {
      const tally = newTally(mode);
      tally.take(polled('gw-a', 0, { live: [1], poll: [2], withinMs: 60_000 }), 0);
      // Over one gateway, then over another that the first one has not heard of.
      tally.take(targeted('gw-a', 1, [2], true), 0);
      expect(tally.ledger.polling).toBeUndefined();
      tally.take(polled('gw-a', 2, { poll: [1], withinMs: 30_000 }), 0);
      expect(tally.ledger.polling).toEqual({ waiting: 1, answerByMs: 30_000 });
      tally.take(targeted('gw-b', 0, [1], true), 0);
      expect(tally.ledger.polling).toBeUndefined();
      tally.take(polled('gw-b', 1, { poll: [2], withinMs: 45_000 }), 0);
      expect(tally.ledger.polling).toEqual({ waiting: 1, answerByMs: 45_000 });
      tally.take(report('gw-a', 3, { failures: [[2, 'disconnected', 'closed', '']] }), 0);
      expect(tally.ledger.polling).toEqual({ waiting: 1, answerByMs: 45_000 });
      expect(tally.ledger.snapshot()).toMatchObject({ targeted: 2, waiting: 2 });
      tally.take(report('gw-b', 2, { answers: answers(2) }), 0);
      expect(tally.ledger.polling).toBeUndefined();
      expect(tally.ledger.snapshot()).toMatchObject({ waiting: 1, answered: 1 });
    });

    test.each(modes)('a first report that comes late says less of a channel than the join before it: %s', (mode) => {
      const tally = newTally(mode);
      tally.take(Object.assign(polled('gw-b', 0, { poll: [1], withinMs: 45_000 }), { joined: true }), 0);
      tally.take(targeted('gw-a', 0, [1]), 0);
      expect(tally.ledger.polling).toEqual({ waiting: 1, answerByMs: 45_000 });
    });
  });

  test('an endpoint’s own word is final', () => {
    const tally = newTally('raw');
    tally.take(targeted('gw-a', 0, [5]), 0);
    tally.take(report('gw-a', 1, { failures: [[5, 'over_budget', 'rows', '']] }), 0);
    tally.take(targeted('gw-b', 0, [5], true), 0);
    tally.take(report('gw-b', 1, { answers: answers(5) }), 0);
    tally.take(report('gw-a', 2, { failures: [[5, 'disconnected', 'closed', '']] }), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ over_budget: 1, answered: 0, waiting: 0 });
    expect(tally.answers.take()).toBeUndefined();
  });

  test('endpoints whose report was lost are named when their gateway has nothing more to say', () => {
    const tally = newTally('group');
    tally.take(targeted('gw-a', 0, [1, 2]), 0);
    tally.take(report('gw-a', 2, { settled: true }), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ timed_out: 2, waiting: 0 });
    expect(tally.ledger.failures.takeFailures(1_000_000)[0]?.[2]).toBe('report_lost');
    expect(tally.truncated).toMatch(/1 reports of gateways were lost/);
  });

  test('endpoints that two gateways merged from the start are counted once, and the rows are said to be in doubt', () => {
    const tally = newTally('group');
    tally.take(targeted('gw-a', 0, [1]), 0);
    tally.take(targeted('gw-b', 0, [1]), 0);
    tally.take(report('gw-a', 1, merged(1)), 0);
    tally.take(report('gw-b', 1, merged(1)), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ targeted: 1, answered: 1 });
    expect(tally.truncated).toMatch(/1 endpoints answered over two gateways/);
  });

  test('bytes that are no rows of the query are an error of that endpoint', () => {
    const tally = newTally('raw');
    tally.take(targeted('gw-a', 0, [1, 2]), 0);
    const writer = new AnswerBlockWriter();
    writer.add(1, encodeCbor(['too', 'many', 'columns']));
    writer.add(2, rowsOf(2));
    tally.take(report('gw-a', 1, { answers: writer.bytes() }), 0);
    expect(tally.ledger.snapshot()).toMatchObject({ error: 1, answered: 1 });
    expect([...readAnswerBlock(tally.answers.take()!)].map((answer) => answer.num)).toEqual([2]);
  });

  test('what the result stream cannot take is not kept, and said', () => {
    const tally = newTally('raw', { maxQueuedBytes: 50 });
    tally.take(targeted('gw-a', 0, [1, 2, 4]), 0);
    for (const [i, num] of [1, 2, 4].entries()) tally.take(report('gw-a', 1 + i, { answers: answers(num) }), 0);
    expect(tally.ledger.snapshot().answered).toBe(3);
    expect(tally.truncated).toMatch(/the rows of 1 endpoints were not kept/);
  });
});
