import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayHeartbeat,
  type GatewayUpdate,
  type GatewayRequest,
  type HuntStart,
  type CoordinatorHeartbeat,
  type QueryStart,
  type QueryStop,
} from '@muster/messages';
import { encodeCbor, type CoordinatorId, type GatewayId, type QueryId } from '@muster/protocol';
import {
  AnswerBlockWriter,
  encodeNumberSet,
  GroupBlockWriter,
  type AnswerWarning,
  type Failure,
} from '@muster/records';

const NOTHING = new Uint8Array(0);

/** The row of an endpoint: shared by all with the same remainder. */
export const rowOf = (num: number): Uint8Array => encodeCbor([`package-${num % 5}`]);

/** A gateway as the query service sees it over the bus, driven by the test. */
export class FakeGateway {
  readonly id: GatewayId;
  readonly starts: (QueryStart | HuntStart)[] = [];
  readonly stops: QueryStop[] = [];
  /** Misses the start of queries, and learns of them from heartbeats only. */
  deaf = false;
  /** Hears nothing and does not answer. */
  frozen = false;
  /** Which of its endpoints poll, and how often. */
  polls: { readonly nums: readonly number[]; readonly withinMs: number } | undefined;
  readonly #bus: Bus;
  readonly #nums: readonly number[];
  readonly #subscriptions: BusSubscription[] = [];
  readonly #seqs = new Map<QueryId, number>();
  readonly #announced = new Map<QueryId, number>();
  #listeners: { readonly owner: CoordinatorId; readonly resolve: () => void }[] = [];

  constructor(bus: Bus, id: string, nums: readonly number[]) {
    this.#bus = bus;
    this.id = id as GatewayId;
    this.#nums = nums;
    this.#subscriptions.push(
      bus.subscribe(SUBJECTS.gateways, ({ data }) => this.#receive(data)),
      bus.subscribe(SUBJECTS.coordinatorHeartbeats, ({ data }) => {
        const heartbeat = decodeBusMessage<CoordinatorHeartbeat>(data, 'owner_beat');
        for (const start of heartbeat?.queries ?? []) {
          this.#announced.set(start.id, this.announced(start.id) + 1);
          this.#begin(start, true);
        }
        if (heartbeat === undefined) return;
        for (const { owner, resolve } of this.#listeners) if (owner === heartbeat.owner) resolve();
      }),
      bus.subscribe(SUBJECTS.gateway(this.id), (message) => {
        if (!this.frozen && decodeBusMessage<GatewayRequest>(message.data, 'ping'))
          message.reply?.(encodeBusMessage({ t: 'ok' }));
      }),
    );
    this.sendHeartbeat();
  }

  /** How many heartbeats have said that the query runs. */
  announced(query: QueryId): number {
    return this.#announced.get(query) ?? 0;
  }

  /** Resolves at the coordinator's next heartbeat. */
  async heartbeatOf(owner: CoordinatorId): Promise<void> {
    await new Promise<void>((resolve) => this.#listeners.push({ owner, resolve }));
    this.#listeners = this.#listeners.filter((listener) => listener.owner !== owner);
  }

  die(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  sendHeartbeat(change: Partial<GatewayHeartbeat> = {}): void {
    const heartbeat = {
      t: 'gateway_beat',
      gateway: this.id,
      sessions: this.#nums.length,
      draining: false,
      nowMs: 0,
      ...change,
    } as const;
    this.#bus.publish(SUBJECTS.gatewayHeartbeats, encodeBusMessage(heartbeat));
  }

  join(...nums: number[]): void {
    const start = this.#last();
    this.#send(start, { t: 'targeted', joined: true, ...this.#targets(nums) });
  }

  /** These endpoints answer with one row each. */
  answer(...nums: number[]): void {
    const start = this.#last();
    if (start.mode === 'group') return this.#partial(start, merged(nums));
    const answers = new AnswerBlockWriter();
    for (const num of nums) answers.add(num, rowOf(num));
    this.#partial(start, { answers: answers.bytes() });
  }

  empty(...nums: number[]): void {
    this.#partial(this.#last(), { empty: encodeNumberSet(nums) });
  }

  fail(...failures: Failure[]): void {
    this.#partial(this.#last(), { failures });
  }

  warn(...warnings: AnswerWarning[]): void {
    this.#partial(this.#last(), { warnings });
  }

  keepAlive(): void {
    this.#partial(this.#last(), {});
  }

  #last(): QueryStart | HuntStart {
    const start = this.starts.at(-1);
    if (start === undefined) throw new Error(`${this.id} has no query`);
    return start;
  }

  #receive(data: Uint8Array): void {
    const message = decodeBusMessage<QueryStart | HuntStart | QueryStop>(
      data,
      'query_start',
      'hunt_start',
      'query_stop',
    );
    if (message?.t === 'query_stop') this.stops.push(message);
    else if (message !== undefined && !this.deaf) this.#begin(message, false);
  }

  #begin(start: QueryStart | HuntStart, late: boolean): void {
    if (this.frozen || this.#seqs.has(start.id)) return;
    this.#seqs.set(start.id, 0);
    this.starts.push(start);
    this.#send(start, { t: 'targeted', joined: late, ...this.#targets(this.#nums) });
  }

  #targets(nums: readonly number[]): object {
    const polled = nums.filter((num) => this.polls?.nums.includes(num) === true);
    const polls = { nums: encodeNumberSet(polled), withinMs: this.polls?.withinMs };
    return { targets: encodeNumberSet(nums), ...(polled.length === 0 ? {} : { polls }) };
  }

  #partial(start: QueryStart | HuntStart, content: object): void {
    const nothing = { answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING };
    this.#send(start, { t: 'partial', more: false, settled: false, ...nothing, ...content });
  }

  #send(start: QueryStart | HuntStart, content: object): void {
    const seq = this.#seqs.get(start.id) ?? 0;
    this.#seqs.set(start.id, seq + 1);
    const update = { query: start.id, gateway: this.id, seq, ...content } as GatewayUpdate;
    this.#bus.publish(SUBJECTS.coordinatorInbox(start.owner), encodeBusMessage(update));
  }
}

function merged(nums: readonly number[]): object {
  const rows = new Map<string, { row: Uint8Array; sample: number[] }>();
  for (const num of nums) {
    const row = rowOf(num);
    const group = rows.get(String(row)) ?? { row, sample: [] };
    rows.set(String(row), group);
    group.sample.push(num);
  }
  const groups = new GroupBlockWriter();
  for (const { row, sample } of rows.values()) {
    groups.add(0, { row, endpoints: sample.length, copies: sample.length, sample: sample.slice(0, 10) });
  }
  return { answered: encodeNumberSet(nums), groups: groups.bytes() };
}
