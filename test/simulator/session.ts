import { signHelloProof } from '@muster/identity';
import {
  CAPABILITY,
  decodeBody,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FRAME,
  frameBody,
  HEADER_BYTES,
  type Header,
  type HelloBody,
  type QueryBody,
  type ReconnectBody,
  type SessionMode,
  type WelcomeBody,
} from '@muster/protocol';
import type { Answer } from './answer.js';
import type { SimulatedAgent } from './agent.js';
import { Delivery } from './delivery.js';
import { takeOrder } from './commands/take-order.js';
import type { FleetContext } from './fleet-context.js';
import { simulatedInstance, simulatedKey } from './keys.js';
import type { Wire, WireEnd, WireOwner } from './wire/wire.js';

export type SessionState = 'dialling' | 'greeting' | 'proving' | 'ready' | 'ended';

/**
 * One session of one agent, from the dial to the end, over either channel.
 *
 *     dialling ──101──▶ greeting ──CHALLENGE/HELLO──▶ proving ──WELCOME──▶ ready ──▶ ended
 */
export class Session implements WireOwner {
  readonly mode: SessionMode;
  readonly #agent: SimulatedAgent;
  readonly #context: FleetContext;
  readonly #wire: Wire;
  #state: SessionState = 'dialling';
  #readyAtMs = 0;
  // Made at the first query that cannot be answered in one go: most sessions never need it.
  #open: Map<number, Delivery> | undefined;
  #leaving = false;
  #heardAtMs: number;
  #saidAtMs: number;
  #heartbeatMs = 0;

  constructor(
    agent: SimulatedAgent,
    context: FleetContext,
    way: { readonly mode: SessionMode; readonly gateway: number },
  ) {
    this.mode = way.mode;
    this.#agent = agent;
    this.#context = context;
    this.#heardAtMs = context.coarseNowMs;
    this.#saidAtMs = context.coarseNowMs;
    this.#wire = context.openWire(this, agent, way);
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Sends a frame that is no answer to a query. */
  say(frame: Uint8Array): boolean {
    if (this.#state !== 'ready') return false;
    this.#send(frame);
    return true;
  }

  close(code: number): void {
    this.#wire.close(code);
  }

  /** Closes when everything asked has been answered. */
  leave(): void {
    this.#leaving = true;
    this.#closeIfDone();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  /** Called every second or so: pings when it is time, gives a silent gateway up. */
  beat(nowMs: number): void {
    if (this.#state !== 'ready' || this.#wire.sendPing === undefined) return;
    if (nowMs - this.#heardAtMs > 3 * this.#heartbeatMs) this.#wire.destroy();
    else if (nowMs - this.#saidAtMs > 0.8 * this.#heartbeatMs) {
      this.#saidAtMs = nowMs;
      this.#wire.sendPing(new Uint8Array(0));
    }
  }

  opened(): void {
    this.#state = 'greeting';
  }

  heard(): void {
    this.#heardAtMs = this.#context.coarseNowMs;
  }

  message(frame: Uint8Array, ageMs: number): void {
    const header = decodeHeader(frame);
    if (header === undefined || header.type >= FRAME.hello) this.#wire.close(1002);
    else if (this.#state === 'ready') this.#take(header, frame, ageMs);
    else this.#greet(header, frameBody(frame), ageMs);
  }

  ended(end: WireEnd): void {
    const reached = this.#state;
    this.#state = 'ended';
    const { stats, coarseNowMs } = this.#context;
    if (reached === 'ready') stats.sessions[this.mode] -= 1;
    for (const delivery of this.#open?.values() ?? []) clearTimeout(delivery.timer);
    this.#open = undefined;
    const heldMs = reached === 'ready' ? coarseNowMs - this.#readyAtMs : 0;
    this.#agent.sessionEnded(this, end, { reached, heldMs });
    this.#context.settled();
  }

  #greet(header: Header, body: Uint8Array, ageMs: number): void {
    if (this.#state === 'greeting' && header.type === FRAME.challenge) {
      const challenge = decodeBody('challenge', body);
      if (challenge.ok) this.#sayHello(challenge.body.nonce);
      else this.#wire.close(1002);
    } else if (this.#state === 'proving' && header.type === FRAME.welcome) {
      const welcome = decodeBody('welcome', body);
      if (welcome.ok) this.#becomeReady(welcome.body, ageMs);
      else this.#wire.close(1002);
    } else if (header.type !== FRAME.error) this.#wire.close(1002);
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
          capabilities: this.#capabilities(),
          instance: simulatedInstance(seed, machine.index),
          proof: signHelloProof(privateKey, { agentId, nonce, token }),
          ...this.#agent.helloExtras(),
        }),
      ),
    );
  }

  #capabilities(): HelloBody['capabilities'] {
    const { commands, options } = this.#context;
    return [
      CAPABILITY.query,
      ...(commands.behaviour.capable ? [CAPABILITY.command] : []),
      ...(options.channel.capable ? [CAPABILITY.mode] : []),
    ];
  }

  #becomeReady(welcome: WelcomeBody, ageMs: number): void {
    this.#state = 'ready';
    this.#readyAtMs = this.#context.coarseNowMs;
    this.#context.stats.sessions[this.mode] += 1;
    this.#heartbeatMs = welcome.heartbeatMs;
    // Spreads the first pings of agents that came at one moment.
    this.#saidAtMs = this.#context.coarseNowMs - Math.random() * 0.7 * welcome.heartbeatMs;
    this.#agent.sessionReady(this, welcome, ageMs);
  }

  #take(header: Header, frame: Uint8Array, ageMs: number): void {
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
        this.#context.stats.cancels += 1;
        clearTimeout(this.#open?.get(header.ref)?.timer);
        this.#open?.delete(header.ref);
        this.#closeIfDone();
        return;
      case FRAME.command:
      case FRAME.commandCancel:
      case FRAME.reportKept:
        if (!takeOrder(this.#agent.commands, header.type, frameBody(frame))) this.#wire.close(1002);
        return;
      case FRAME.reconnect: {
        const reconnect = decodeBody('reconnect', frameBody(frame));
        if (reconnect.ok) this.#moveAway(reconnect.body, ageMs);
        return;
      }
      case FRAME.mode: {
        const mode = decodeBody('mode', frameBody(frame));
        // Nobody may say it to an agent that cannot.
        if (mode.ok && this.#context.options.channel.capable) this.#agent.told(mode.body, ageMs);
        else this.#wire.close(1002);
        return;
      }
      default:
    }
  }

  #moveAway({ afterMs, spreadMs }: ReconnectBody, ageMs: number): void {
    this.#agent.moveAfter(Math.max(0, afterMs + Math.random() * spreadMs - ageMs));
  }

  #ask(ref: number, query: QueryBody | undefined): void {
    const { stats, options, answers } = this.#context;
    if (query === undefined) {
      this.#wire.close(1002);
      return;
    }
    stats.queries += 1;
    const delivery = new Delivery(ref, query, (frame) => this.#send(frame));
    switch (this.#agent.behaviour) {
      case 'normal':
        this.#answer(delivery, answers.answer(this.#agent.machine, query));
        return;
      case 'slow':
        delivery.timer = setTimeout(
          () => {
            this.#open?.delete(ref);
            this.#answer(delivery, answers.answer(this.#agent.machine, query));
          },
          options.slowMs * (0.5 + Math.random()),
        );
        this.#hold(delivery);
        return;
      case 'failing':
        this.#answer(delivery, FAILURE);
        return;
      case 'silent':
        return;
      case 'disappearing':
        stats.disappeared += 1;
        this.#agent.disappear();
    }
  }

  #answer(delivery: Delivery, answer: Answer): void {
    const { stats } = this.#context;
    stats.answers += 1;
    if (answer.kind === 'ended') {
      const { outcome, code, message } = answer;
      this.#send(encodeFrame(FRAME.queryEnd, delivery.ref, encodeBody('queryEnd', { outcome, code, message })));
    } else {
      stats.rows += answer.rows;
      if (!delivery.give(answer)) this.#hold(delivery);
    }
    this.#closeIfDone();
  }

  #addCredit(ref: number, bytes: number): void {
    if (this.#open?.get(ref)?.addCredit(bytes) !== true) return;
    this.#open.delete(ref);
    this.#closeIfDone();
  }

  #hold(delivery: Delivery): void {
    this.#open ??= new Map();
    this.#open.set(delivery.ref, delivery);
  }

  #closeIfDone(): void {
    if (this.#leaving && (this.#open === undefined || this.#open.size === 0)) this.#wire.close(1000);
  }

  #send(frame: Uint8Array): void {
    this.#saidAtMs = this.#context.coarseNowMs;
    this.#context.stats.bytesOut += frame.length;
    this.#wire.send(frame);
  }
}

const FAILURE: Answer = { kind: 'ended', outcome: 'error', code: 'simulated_failure', message: 'told to fail' };
