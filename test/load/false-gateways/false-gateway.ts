import { setTimeout as delay } from 'node:timers/promises';
import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayRequest,
  type GatewayUpdate,
  type QueryStart,
} from '@muster/messages';
import { encodeCbor, newGatewayId } from '@muster/protocol';
import { AnswerBlockWriter, encodeNumberSet, GroupBlockWriter, type ResultForm } from '@muster/records';

const NOTHING = new Uint8Array(0);
const nothing = { answered: NOTHING, empty: NOTHING, failures: [], answers: NOTHING, groups: NOTHING };
/** So many different rows in the whole fleet; each endpoint has one. */
const DISTINCT = 280;
/** A gateway tells in so many parts. */
const PARTS = 3;
/** Gateways split what is larger. */
const UPDATE_BYTES = 256 * 1024;
const SAMPLE = 10;

const ROWS = Array.from({ length: DISTINCT }, (_, i) =>
  encodeCbor([`package-${i % 40}`, `1.2.${i}-ubuntu`, 'amd64 deb']),
);
const rowOf = (num: number): Uint8Array => ROWS[num % DISTINCT] ?? NOTHING;

type Content = { readonly answered: Uint8Array; readonly groups: Uint8Array } | { readonly answers: Uint8Array };

/**
 * A gateway as the query service sees it, of endpoints that are not there: all of them answer, spread over some time,
 * with one row each.
 */
export class FalseGateway {
  readonly id = newGatewayId();
  readonly #bus: Bus;
  readonly #nums: readonly number[];
  readonly #targets: Uint8Array;
  readonly #contents: Partial<Record<ResultForm, Content[]>> = {};
  readonly #subscriptions: BusSubscription[];
  /** How long its endpoints take together. */
  spreadMs = 250;

  constructor(bus: Bus, nums: readonly number[]) {
    this.#bus = bus;
    this.#nums = nums;
    this.#targets = encodeNumberSet(nums);
    this.#subscriptions = [
      bus.subscribe(SUBJECTS.gateways, ({ data }) => this.#receive(data)),
      bus.subscribe(SUBJECTS.gateway(this.id), (message) => {
        if (decodeBusMessage<GatewayRequest>(message.data, 'ping')) message.reply?.(encodeBusMessage({ t: 'ok' }));
      }),
    ];
  }

  get sessions(): number {
    return this.#nums.length;
  }

  sendHeartbeat(): void {
    const heartbeat = {
      t: 'gateway_beat',
      gateway: this.id,
      sessions: this.sessions,
      draining: false,
      nowMs: Date.now(),
    } as const;
    this.#bus.publish(SUBJECTS.gatewayHeartbeats, encodeBusMessage(heartbeat));
  }

  stop(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #receive(data: Uint8Array): void {
    const start = decodeBusMessage<QueryStart>(data, 'query_start');
    if (start === undefined) return;
    const contents = (this.#contents[start.mode] ??= this.#contentsOf(start.mode));
    this.#send(start, 0, { t: 'targeted', joined: false, targets: this.#targets });
    void this.#answer(start, contents);
  }

  /** One part after the other: timers of a busy process do not keep their sequence, and what comes out of sequence does not count. */
  async #answer(start: QueryStart, contents: readonly Content[]): Promise<void> {
    const begin = performance.now();
    for (const [i, content] of contents.entries()) {
      const atMs = (this.spreadMs * (i + Math.random())) / contents.length;
      await delay(Math.max(0, begin + atMs - performance.now()));
      const settled = i === contents.length - 1;
      this.#send(start, i + 1, { t: 'partial', more: false, settled, ...nothing, ...content });
    }
  }

  /** Made once: what a gateway takes for it is not what is measured. */
  #contentsOf(form: ResultForm): Content[] {
    if (form === 'raw') return answerBlocks(this.#nums).map((answers) => ({ answers }));
    const third = Math.ceil(this.#nums.length / PARTS);
    return Array.from({ length: PARTS }, (_, i) => this.#nums.slice(i * third, (i + 1) * third)).map((part) => {
      return { answered: encodeNumberSet(part), groups: groupBlock(part) };
    });
  }

  #send(start: QueryStart, seq: number, content: object): void {
    const update = { query: start.id, gateway: this.id, seq, ...content } as GatewayUpdate;
    this.#bus.publish(SUBJECTS.coordinatorInbox(start.owner), encodeBusMessage(update));
  }
}

function answerBlocks(nums: readonly number[]): Uint8Array[] {
  const blocks: Uint8Array[] = [];
  let block = new AnswerBlockWriter();
  for (const num of nums) {
    block.add(num, rowOf(num));
    if (block.byteLength < UPDATE_BYTES && num !== nums.at(-1)) continue;
    blocks.push(block.bytes());
    block = new AnswerBlockWriter();
  }
  return blocks;
}

function groupBlock(nums: readonly number[]): Uint8Array {
  const members = new Map<number, number[]>();
  for (const num of nums) {
    const own = members.get(num % DISTINCT) ?? [];
    members.set(num % DISTINCT, own);
    own.push(num);
  }
  const block = new GroupBlockWriter();
  for (const [row, own] of members) {
    block.add(0, { row: rowOf(row), endpoints: own.length, copies: own.length, sample: own.slice(0, SAMPLE) });
  }
  return block.bytes();
}
