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
  type ModeBody,
  type PackTicket,
  type QueryBody,
  type ReconnectBody,
  type SessionMode,
  type WelcomeBody,
} from '@muster/protocol';
import type { Answer } from '../truth/answer.js';
import type { AgentCommands } from '../commands/agent-commands.js';
import type { Machine } from '../machine/machine.js';
import type { Behaviour } from './behaviour.js';
import { NO_CHECKS } from '../packs/simulated-packs.js';
import { Delivery } from './delivery.js';
import { dispatchCommandFrame } from '../commands/dispatch-command-frame.js';
import { dispatchMetricsFrame } from '../metrics/dispatch-metrics-frame.js';
import { SimulatedMetrics } from '../metrics/simulated-metrics.js';
import type { FleetContext } from './fleet-context.js';
import { SessionHeartbeat } from './session-heartbeat.js';
import { type Identity, simulatedInstance, simulatedKey } from './identity.js';
import type { Wire, WireEnd, WireOwner } from '../channels/wire.js';
import type { Route } from '../channels/wires.js';

/** From the first attempt to reach the gateway to WELCOME. */
const CONNECT_TIMEOUT_MS = 15_000;

export type SessionState = 'connecting' | 'awaitingChallenge' | 'awaitingWelcome' | 'ready' | 'ended';

/** The agent of a session. */
export interface SessionAgent {
  readonly machine: Machine;
  readonly identity: Identity;
  readonly behaviour: Behaviour;
  readonly commands: AgentCommands;
  readonly pollIntervalMs: number;
  helloFields(): Pick<HelloBody, 'replaces' | 'away'>;
  sessionReady(session: Session, welcome: WelcomeBody, ageMs: number): void;
  sessionEnded(session: Session, end: WireEnd, how: { readonly reached: SessionState; readonly heldMs: number }): void;
  modeAssigned(mode: ModeBody, ageMs: number): void;
  reconnectAfter(delayMs: number): void;
  disappear(): void;
}

/**
 * One session of one agent, from the connection to its end, over either channel.
 *
 *     connecting ──101──▶ awaitingChallenge ──CHALLENGE/HELLO──▶ awaitingWelcome ──WELCOME──▶ ready ──▶ ended
 */
export class Session implements WireOwner {
  readonly mode: SessionMode;
  readonly #agent: SessionAgent;
  readonly #context: FleetContext;
  readonly #wire: Wire;
  #state: SessionState = 'connecting';
  #readyAtMs = 0;
  // Created at the first query that cannot be answered at once: most sessions never need it.
  #open: Map<number, Delivery> | undefined;
  // Created at the first METRICS.
  #metrics: SimulatedMetrics | undefined;
  #leaving = false;
  readonly #heartbeat: SessionHeartbeat;
  readonly #connectByMs: number;

  constructor(agent: SessionAgent, context: FleetContext, route: Route) {
    this.mode = route.mode;
    this.#agent = agent;
    this.#context = context;
    this.#heartbeat = new SessionHeartbeat(context.coarseNowMs);
    this.#connectByMs = context.coarseNowMs + CONNECT_TIMEOUT_MS;
    this.#wire = context.openWire(this, agent, route);
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Sends a frame that is no answer to a query. Returns false while the session is not ready. */
  send(frame: Uint8Array): boolean {
    if (this.#state !== 'ready') return false;
    this.#send(frame);
    return true;
  }

  close(code: number): void {
    this.#wire.close(code);
  }

  /** Closes as soon as all queries are answered. */
  leave(): void {
    this.#leaving = true;
    this.#closeIfDone();
  }

  destroy(): void {
    this.#wire.destroy();
  }

  /** Called about every second: sends a sample or a ping when one is due, and drops a gateway that is silent. */
  beat(nowMs: number): void {
    if (this.#state === 'ready') this.#metrics?.beat(nowMs);
    if (this.#wire.sendPing === undefined) return;
    if (this.#state !== 'ready') {
      if (nowMs > this.#connectByMs) this.#wire.destroy();
      return;
    }
    const due = this.#heartbeat.visit(nowMs);
    if (due === 'silent') this.#wire.destroy();
    else if (due === 'ping') this.#wire.sendPing(new Uint8Array(0));
  }

  opened(): void {
    this.#state = 'awaitingChallenge';
  }

  active(): void {
    this.#heartbeat.received(this.#context.coarseNowMs);
  }

  message(frame: Uint8Array, ageMs: number): void {
    // The heartbeat of the gateway; it has counted as activity.
    if (frame.length === 0 && this.#state === 'ready') return;
    const header = decodeHeader(frame);
    if (header === undefined || header.type >= FRAME.hello) this.#wire.close(1002);
    else if (this.#state === 'ready') this.#onFrame(header, frame, ageMs);
    else this.#onHandshakeFrame(header, frameBody(frame), ageMs);
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

  #onHandshakeFrame(header: Header, body: Uint8Array, ageMs: number): void {
    if (this.#state === 'awaitingChallenge' && header.type === FRAME.challenge) {
      const challenge = decodeBody('challenge', body);
      if (challenge.ok) this.#sendHello(challenge.body.nonce);
      else this.#wire.close(1002);
    } else if (this.#state === 'awaitingWelcome' && header.type === FRAME.welcome) {
      const welcome = decodeBody('welcome', body);
      if (welcome.ok) this.#becomeReady(welcome.body, ageMs);
      else this.#wire.close(1002);
    } else if (header.type !== FRAME.error) this.#wire.close(1002);
  }

  #sendHello(nonce: Uint8Array): void {
    const { machine, identity } = this.#agent;
    const { seed } = this.#context.options;
    const { agentId, token, publicKeyX } = identity;
    const { privateKey } = simulatedKey(seed, machine.index, publicKeyX);
    this.#state = 'awaitingWelcome';
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
          ...this.#agent.helloFields(),
        }),
      ),
    );
  }

  #capabilities(): HelloBody['capabilities'] {
    const { commands, options, packs } = this.#context;
    return [
      CAPABILITY.query,
      CAPABILITY.heartbeat,
      ...(commands.behaviour.capable ? [CAPABILITY.command] : []),
      ...(options.channel.capable ? [CAPABILITY.mode] : []),
      ...(options.metrics ? [CAPABILITY.metrics] : []),
      ...(packs === undefined ? [] : [CAPABILITY.packs]),
    ];
  }

  #becomeReady(welcome: WelcomeBody, ageMs: number): void {
    this.#state = 'ready';
    this.#readyAtMs = this.#context.coarseNowMs;
    this.#context.stats.sessions[this.mode] += 1;
    this.#heartbeat.start(welcome, this.#context.coarseNowMs);
    this.#agent.sessionReady(this, welcome, ageMs);
  }

  #onFrame(header: Header, frame: Uint8Array, ageMs: number): void {
    switch (header.type) {
      case FRAME.query:
        this.#onQuery(header.ref, this.#context.readQuery(frame.subarray(HEADER_BYTES)));
        return;
      case FRAME.credit: {
        const credit = decodeBody('credit', frameBody(frame));
        if (credit.ok) this.#addCredit(header.ref, credit.body.bytes);
        return;
      }
      case FRAME.pack:
        this.#onPack(header.ref, frameBody(frame));
        return;
      case FRAME.cancel:
        this.#context.stats.cancels += 1;
        clearTimeout(this.#open?.get(header.ref)?.timer);
        this.#open?.delete(header.ref);
        this.#closeIfDone();
        return;
      case FRAME.command:
      case FRAME.commandCancel:
      case FRAME.reportKept:
        if (!dispatchCommandFrame(this.#agent.commands, header.type, frameBody(frame))) this.#wire.close(1002);
        return;
      case FRAME.metrics:
      case FRAME.metricsHistory:
        if (!this.#onMetrics(header, frame, ageMs)) this.#wire.close(1002);
        return;
      case FRAME.reconnect: {
        const reconnect = decodeBody('reconnect', frameBody(frame));
        if (reconnect.ok) this.#onReconnect(reconnect.body, ageMs);
        return;
      }
      case FRAME.mode: {
        const mode = decodeBody('mode', frameBody(frame));
        // A gateway may send MODE only to an agent with that capability.
        if (mode.ok && this.#context.options.channel.capable) this.#agent.modeAssigned(mode.body, ageMs);
        else this.#wire.close(1002);
        return;
      }
      default:
    }
  }

  /** Returns false for what a gateway must not send. */
  #onMetrics(header: Header, frame: Uint8Array, ageMs: number): boolean {
    const { machine } = this.#agent;
    if (!this.#context.options.metrics) return false;
    this.#metrics ??= new SimulatedMetrics({
      host: machine,
      send: (sample, isUrgent) => this.#sendSample(sample, isUrgent),
    });
    return dispatchMetricsFrame(this.#metrics, header, { frame, ageMs, nowMs: Date.now() });
  }

  #sendSample(frame: Uint8Array, isUrgent: boolean): void {
    this.#context.stats.samples += 1;
    if (isUrgent || this.#wire.sendLater === undefined) this.#send(frame);
    else {
      this.#context.stats.bytesOut += frame.length;
      this.#wire.sendLater(frame);
    }
  }

  #onReconnect({ afterMs, spreadMs }: ReconnectBody, ageMs: number): void {
    this.#agent.reconnectAfter(Math.max(0, afterMs + Math.random() * spreadMs - ageMs));
  }

  #onQuery(ref: number, query: QueryBody | undefined): void {
    const { stats, options, answers } = this.#context;
    if (query === undefined) {
      this.#wire.close(1002);
      return;
    }
    stats.queries += 1;
    const delivery = new Delivery(ref, query, (frame) => this.#send(frame));
    switch (this.#agent.behaviour) {
      case 'normal':
        if (query.pack !== undefined) this.#scan(delivery, query.pack);
        else this.#answer(delivery, answers.answer(this.#agent.machine, query));
        return;
      case 'slow':
        delivery.timer = setTimeout(
          () => {
            this.#open?.delete(ref);
            if (query.pack !== undefined) this.#scan(delivery, query.pack);
            else this.#answer(delivery, answers.answer(this.#agent.machine, query));
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

  /** Answers at once when this machine has the checks; else it asks for them, and answers when they come. */
  #scan(delivery: Delivery, ticket: PackTicket): void {
    const { packs } = this.#context;
    const claims = packs?.claimsOf(ticket);
    if (packs === undefined || claims === undefined) return this.#answer(delivery, NO_CHECKS);
    if (packs.has(this.#agent.machine, claims))
      return this.#answer(delivery, packs.answer(this.#agent.machine, claims));
    delivery.wants = claims;
    this.#hold(delivery);
    this.#send(encodeFrame(FRAME.packWanted, delivery.ref, encodeBody('packWanted', {})));
  }

  #onPack(ref: number, body: Uint8Array): void {
    const delivery = this.#open?.get(ref);
    const { packs } = this.#context;
    const pack = decodeBody('pack', body);
    if (delivery?.wants === undefined || packs === undefined || !pack.ok) return;
    const { wants } = delivery;
    delivery.wants = undefined;
    this.#open?.delete(ref);
    const { machine } = this.#agent;
    this.#answer(delivery, packs.take(machine, wants, pack.body.checks) ? packs.answer(machine, wants) : NO_CHECKS);
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
    this.#heartbeat.sent(this.#context.coarseNowMs);
    this.#context.stats.bytesOut += frame.length;
    this.#wire.send(frame);
  }
}

const FAILURE: Answer = { kind: 'ended', outcome: 'error', code: 'simulated_failure', message: 'simulated to fail' };
