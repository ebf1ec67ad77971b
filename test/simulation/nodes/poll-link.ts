import type { HttpReply, HttpRequest } from '@muster/gateway/http-message';
import {
  decodeBatch,
  encodeBatch,
  POLL_AFTER_HEADER,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
} from '@muster/protocol';
import type { SimulatedProcess, World } from '../world/world.js';
import type { Link, LinkEvents } from './endpoint-link.js';
import type { GatewayNode } from './gateway-node.js';

const POLL_PATH = '/v1/poll';
const UNREADY_MS = 1_000;
/** How often a request without an answer is repeated before the session is given up. */
const REPEATS = 5;
/** How many requests of a session come to another gateway than the one before, as behind a load balancer. */
const ELSEWHERE = 0.2;

export interface PollLinkOptions {
  readonly process: SimulatedProcess;
  readonly gateways: readonly GatewayNode[];
  readonly token: string;
  /** Between two polls. */
  readonly intervalMs: () => number;
  /** A gateway has answered in the session: it was there then. */
  readonly confirmed: () => void;
  /** A reply leaves out what was never brought. */
  readonly missing: (what: string) => void;
  readonly events: LinkEvents;
}

interface Batch {
  readonly sequence: number;
  readonly body: Uint8Array;
}

/**
 * A session over Poll as `docs/protocol.md` (section 10) has it: one request at a time, repeated unchanged until it is
 * answered, at any gateway.
 */
export class PollLink implements Link {
  readonly mode = 'poll';
  readonly #world: World;
  readonly #options: PollLinkOptions;
  #gateway: GatewayNode;
  /** Of the session; it has one once it is open. */
  #name: string | undefined;
  /** The number of the last frame that came. */
  #have = 0;
  #sequence = 0;
  #batch: Batch | undefined;
  readonly #outbox: { readonly frame: Uint8Array; readonly atMs: number }[] = [];
  #isAsking = true;
  #isLeaving = false;
  #isOver = false;
  #repeats = 0;
  #due: { cancel(): void } | undefined;

  constructor(world: World, options: PollLinkOptions) {
    this.#world = world;
    this.#options = options;
    this.#gateway = world.random.pick(options.gateways);
    const headers = { authorization: `Bearer ${options.token}` };
    this.#request({ method: 'POST', headers, body: NOTHING }, (reply) => this.#opened(reply));
  }

  send(frame: Uint8Array): void {
    if (this.#isOver || this.#isLeaving) return;
    this.#outbox.push({ frame, atMs: this.#options.process.monotonicMs });
    if (!this.#isAsking) this.#pollIn(0);
  }

  ping(): void {
    // The polls are its heartbeat.
  }

  leave(): void {
    this.#isLeaving = true;
    if (!this.#isAsking) this.#pollIn(0);
  }

  drop(): void {
    this.#isOver = true;
    this.#due?.cancel();
  }

  #opened(reply: HttpReply | undefined): void {
    const name = reply?.status === 200 ? reply.headers[POLL_SESSION_HEADER] : undefined;
    if (name === undefined || reply === undefined) return this.#lose();
    this.#name = name;
    this.#take(reply);
    this.#pollIn(this.#outbox.length > 0 ? 0 : UNREADY_MS);
  }

  #pollIn(delayMs: number): void {
    this.#due?.cancel();
    this.#isAsking = false;
    this.#due = this.#world.schedule(this.#options.process, delayMs, () => this.#poll());
  }

  #poll(): void {
    if (this.#isOver) return;
    const session = { [POLL_SESSION_HEADER]: this.#name ?? '', 'if-none-match': `"${this.#have}"` };
    const batch = (this.#batch ??= this.#nextBatch());
    if (batch !== undefined) {
      const headers = { ...session, [POLL_SEQUENCE_HEADER]: String(batch.sequence), 'content-type': POLL_MEDIA_TYPE };
      this.#request({ method: 'POST', headers, body: batch.body }, (reply) => this.#answered(reply));
    } else if (this.#isLeaving) {
      this.#request({ method: 'DELETE', headers: session, body: NOTHING }, () => undefined);
      this.drop();
    } else {
      this.#request({ method: 'GET', headers: session, body: NOTHING }, (reply) => this.#answered(reply));
    }
  }

  #nextBatch(): Batch | undefined {
    if (this.#outbox.length === 0) return undefined;
    const nowMs = this.#options.process.monotonicMs;
    const frames = this.#outbox.splice(0).map(({ frame, atMs }) => ({ frame, ageMs: nowMs - atMs }));
    return { sequence: (this.#sequence += 1), body: encodeBatch(frames) };
  }

  #answered(reply: HttpReply | undefined): void {
    const { status = 0 } = reply ?? {};
    if (reply === undefined || status === 429 || status >= 500) return this.#repeat();
    if (status !== 200 && status !== 204 && status !== 304) return this.#lose();
    this.#repeats = 0;
    this.#batch = undefined;
    this.#options.confirmed();
    this.#take(reply);
    const afterMs = reply.headers[POLL_AFTER_HEADER];
    const intervalMs = this.#options.intervalMs() * this.#world.random.between(0.9, 1);
    const waitMs = afterMs === undefined ? intervalMs : Math.max(50, Number(afterMs));
    this.#pollIn(this.#outbox.length > 0 || this.#isLeaving ? 0 : waitMs);
  }

  #repeat(): void {
    this.#repeats += 1;
    if (this.#repeats > REPEATS || this.#isLeaving) return this.#lose();
    this.#gateway = this.#world.random.pick(this.#options.gateways);
    this.#pollIn(this.#world.random.between(0, 1_000));
    this.#isAsking = true;
  }

  #take({ headers, body }: HttpReply): void {
    if (typeof body === 'string' || body.length === 0) return;
    const frames = decodeBatch(body) ?? [];
    const upTo = Number(headers['etag']?.replaceAll('"', ''));
    let number = upTo - frames.length;
    if (number > this.#have) {
      this.#options.missing(`frames ${this.#have + 1} to ${number} are missing`);
      return this.#lose();
    }
    for (const { frame } of frames) {
      number += 1;
      if (number <= this.#have || this.#isOver || this.#isLeaving) continue;
      this.#have = number;
      this.#options.events.received(frame);
    }
  }

  #lose(): void {
    if (this.#isOver) return;
    this.drop();
    this.#options.events.lost();
  }

  #request(
    request: Pick<HttpRequest, 'method' | 'headers' | 'body'>,
    done: (reply: HttpReply | undefined) => void,
  ): void {
    const { process, gateways, events } = this.#options;
    this.#isAsking = true;
    if (this.#name !== undefined && this.#world.random.chance(ELSEWHERE))
      this.#gateway = this.#world.random.pick(gateways);
    const answer = (reply: HttpReply | undefined): void => {
      if (this.#isOver) return;
      if (reply !== undefined) events.heard();
      done(reply);
    };
    const gateway = this.#gateway.listening;
    if (gateway === undefined) this.#world.schedule(process, 1, () => answer(undefined));
    else gateway.request(process, { path: POLL_PATH, address: '192.0.2.1', ...request }, answer);
  }
}

const NOTHING = new Uint8Array(0);
