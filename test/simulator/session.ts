import { signHelloProof } from '@muster/identity';
import {
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FRAME,
  frameBody,
  HEADER_BYTES,
  type Header,
  type QueryBody,
  type ReconnectBody,
  type WelcomeBody,
} from '@muster/protocol';
import type { Answer, RowsAnswer } from './answer.js';
import type { SimulatedAgent } from './agent.js';
import type { FleetContext } from './fleet-context.js';
import { simulatedInstance, simulatedKey } from './keys.js';
import { RawWebSocket, type SocketEnd, type SocketOwner } from './wire/raw-web-socket.js';

/** A query under way: what is still to be sent, or the timer of a slow agent. */
interface OpenQuery {
  credit: number;
  frames: readonly Uint8Array[];
  next: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * One connection of one agent, from the dial to the end.
 *
 *     dialling ──101──▶ greeting ──CHALLENGE/HELLO──▶ proving ──WELCOME──▶ ready ──▶ ended
 */
export class Session implements SocketOwner {
  readonly #agent: SimulatedAgent;
  readonly #context: FleetContext;
  readonly #socket: RawWebSocket;
  #state: 'dialling' | 'greeting' | 'proving' | 'ready' | 'ended' = 'dialling';
  // Made at the first query that cannot be answered in one go: most sessions never need it.
  #open: Map<number, OpenQuery> | undefined;
  #leaving = false;
  #heardAtMs: number;
  #saidAtMs: number;
  #heartbeatMs = 0;

  constructor(agent: SimulatedAgent, context: FleetContext, gateway: number) {
    this.#agent = agent;
    this.#context = context;
    this.#heardAtMs = context.coarseNowMs;
    this.#saidAtMs = context.coarseNowMs;
    this.#socket = new RawWebSocket(context.target(gateway), this, context.openOptions(agent, gateway));
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  close(code: number): void {
    this.#socket.close(code);
  }

  /** Closes when everything asked has been answered. */
  leave(): void {
    this.#leaving = true;
    this.#closeIfDone();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Called every second or so: pings when it is time, gives a silent gateway up. */
  beat(nowMs: number): void {
    if (this.#state !== 'ready') return;
    if (nowMs - this.#heardAtMs > 3 * this.#heartbeatMs) this.#socket.destroy();
    else if (nowMs - this.#saidAtMs > 0.8 * this.#heartbeatMs) {
      this.#saidAtMs = nowMs;
      this.#socket.sendPing(new Uint8Array(0));
    }
  }

  opened(): void {
    this.#state = 'greeting';
  }

  heard(): void {
    this.#heardAtMs = this.#context.coarseNowMs;
  }

  message(frame: Uint8Array): void {
    const header = decodeHeader(frame);
    if (header === undefined || header.type >= FRAME.hello) this.#socket.close(1002);
    else if (this.#state === 'ready') this.#take(header, frame);
    else this.#greet(header, frameBody(frame));
  }

  ended(end: SocketEnd): void {
    const before = this.#state;
    this.#state = 'ended';
    for (const query of this.#open?.values() ?? []) clearTimeout(query.timer);
    this.#open = undefined;
    this.#agent.sessionEnded(this, end, before === 'ready');
  }

  #greet(header: Header, body: Uint8Array): void {
    if (this.#state === 'greeting' && header.type === FRAME.challenge) {
      const challenge = decodeBody('challenge', body);
      if (challenge.ok) this.#sayHello(challenge.body.nonce);
      else this.#socket.close(1002);
    } else if (this.#state === 'proving' && header.type === FRAME.welcome) {
      const welcome = decodeBody('welcome', body);
      if (welcome.ok) this.#becomeReady(welcome.body);
      else this.#socket.close(1002);
    } else if (header.type !== FRAME.error) this.#socket.close(1002);
  }

  #sayHello(nonce: Uint8Array): void {
    const { machine, identity } = this.#agent;
    const { seed } = this.#context.options;
    const { agentId, token, publicKeyX } = identity;
    const { privateKey } = simulatedKey(seed, machine.index, publicKeyX);
    this.#state = 'proving';
    this.#send(
      encodeFrame(
        FRAME.hello,
        0,
        encodeBody('hello', {
          facts: machine.facts,
          labels: machine.labels,
          capabilities: ['query'],
          instance: simulatedInstance(seed, machine.index),
          proof: signHelloProof(privateKey, { agentId, nonce, token }),
        }),
      ),
    );
  }

  #becomeReady(welcome: WelcomeBody): void {
    this.#state = 'ready';
    this.#heartbeatMs = welcome.heartbeatMs;
    // Spreads the first pings of agents that came at one moment.
    this.#saidAtMs = this.#context.coarseNowMs - Math.random() * 0.7 * welcome.heartbeatMs;
    this.#agent.sessionReady(this, welcome);
  }

  #take(header: Header, frame: Uint8Array): void {
    switch (header.type) {
      case FRAME.query:
        this.#ask(header.ref, this.#context.readQuery(frame.subarray(HEADER_BYTES)));
        return;
      case FRAME.credit: {
        const credit = decodeBody('credit', frameBody(frame));
        if (credit.ok) this.#addCredit(header.ref, credit.body.bytes);
        return;
      }
      case FRAME.cancel:
        clearTimeout(this.#open?.get(header.ref)?.timer);
        this.#open?.delete(header.ref);
        this.#closeIfDone();
        return;
      case FRAME.reconnect: {
        const reconnect = decodeBody('reconnect', frameBody(frame));
        if (reconnect.ok) this.#moveAway(reconnect.body);
        return;
      }
      default:
    }
  }

  #moveAway({ afterMs, spreadMs }: ReconnectBody): void {
    this.#agent.moveAfter(afterMs + Math.random() * spreadMs);
  }

  #ask(ref: number, query: QueryBody | undefined): void {
    const { stats, options, answers } = this.#context;
    if (query === undefined) {
      this.#socket.close(1002);
      return;
    }
    stats.queries += 1;
    switch (this.#agent.behaviour) {
      case 'normal':
        this.#answer(ref, query.credit, answers.answer(this.#agent.machine, query));
        return;
      case 'slow': {
        const delayMs = options.slowMs * (0.5 + Math.random());
        const timer = setTimeout(() => {
          const credit = this.#open?.get(ref)?.credit ?? 0;
          this.#open?.delete(ref);
          this.#answer(ref, credit, answers.answer(this.#agent.machine, query));
        }, delayMs);
        this.#hold(ref, { credit: query.credit, frames: [], next: 0, timer });
        return;
      }
      case 'failing':
        this.#answer(ref, 0, { kind: 'ended', outcome: 'error', code: 'simulated_failure', message: 'told to fail' });
        return;
      case 'silent':
        return;
      case 'disappearing':
        stats.disappeared += 1;
        this.#agent.disappear();
    }
  }

  #answer(ref: number, credit: number, answer: Answer): void {
    const { stats } = this.#context;
    stats.answers += 1;
    if (answer.kind === 'ended') {
      const { outcome, code, message } = answer;
      this.#send(encodeFrame(FRAME.queryEnd, ref, encodeBody('queryEnd', { outcome, code, message })));
    } else this.#sendRows(ref, credit, answer);
    this.#closeIfDone();
  }

  #sendRows(ref: number, credit: number, answer: RowsAnswer): void {
    this.#context.stats.rows += answer.rows;
    const query: OpenQuery = { credit, frames: answer.frames(ref), next: 0, timer: undefined };
    if (!this.#pump(query)) this.#hold(ref, query);
  }

  /** Sends what the credit allows; true when all is sent. */
  #pump(query: OpenQuery): boolean {
    for (; query.next < query.frames.length; query.next += 1) {
      const frame = query.frames[query.next] as Uint8Array;
      const cost = frame.length - HEADER_BYTES;
      if (cost > query.credit) return false;
      query.credit -= cost;
      this.#send(frame);
    }
    return true;
  }

  #addCredit(ref: number, bytes: number): void {
    const query = this.#open?.get(ref);
    if (query === undefined) return;
    query.credit += bytes;
    if (query.timer === undefined && this.#pump(query)) {
      this.#open?.delete(ref);
      this.#closeIfDone();
    }
  }

  #hold(ref: number, query: OpenQuery): void {
    this.#open ??= new Map();
    this.#open.set(ref, query);
  }

  #closeIfDone(): void {
    if (this.#leaving && (this.#open === undefined || this.#open.size === 0)) this.#socket.close(1000);
  }

  #send(frame: Uint8Array): void {
    this.#saidAtMs = this.#context.coarseNowMs;
    this.#context.stats.bytesOut += frame.length;
    this.#socket.send(frame);
  }
}
