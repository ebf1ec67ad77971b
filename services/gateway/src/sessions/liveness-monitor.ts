import { timingSafeEqual } from 'node:crypto';
import { CAPABILITY, LIMITS, type CloseReason, type HelloBody, type WelcomeBody } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';
import type { Session } from './hub/session.js';
import type { SessionTable } from './hub/session-table.js';

export interface LivenessMonitorOptions {
  readonly clock: Clock;
  readonly table: SessionTable;
  readonly heartbeats: Heartbeats;
  readonly random?: () => number;
  /** Ends a session. `countAs`: the reason in the metrics, where it is not the one that the peer is given. */
  readonly end: (session: Session, reason: CloseReason, detail: string, countAs?: CloseReason) => void;
}

const SWEEP_MS = 500;
/** How long before the hello deadline a peer is asked whether it still speaks WebSocket. */
const PROBE_MS = 1_000;
/** Pings take a while to arrive: how late a session may be, as a part of the heartbeat. */
const GRACE = 0.2;

/**
 * The data of our ping. uWebSockets reads the first four bytes of an unmasked frame as its key, so after such a frame it is four bytes
 * behind. When a peer answers this ping without a mask, uWebSockets reads `82 82` as the head of the next frame: a binary message of two
 * bytes, which is no frame of ours.
 */
const PROBE = Buffer.alloc(16, 0x82);

/** How often something is sent on a session where nothing else is, as WELCOME says. */
export interface Heartbeats {
  /** By agents without the capability `heartbeat`: they ask for a sign of life themselves, with every second heartbeat. */
  readonly aloneMs: number;
  /** By agents with it. */
  readonly pairedMs: number;
  /** By the gateway to agents with it. A heartbeat is half of their interval, so that one pong and one heartbeat make a round. */
  readonly gatewayMs: number;
}

/** The usual heartbeats, and shorter ones where less silence is tolerated. */
export function heartbeatsFor(silenceMs: number): Heartbeats {
  const scaled = (ms: number): number => Math.round(ms * Math.min(1, silenceMs / LIMITS.sessionSilenceMs));
  return {
    aloneMs: scaled(LIMITS.heartbeatMs),
    pairedMs: scaled(LIMITS.pairedHeartbeatMs),
    gatewayMs: scaled(LIMITS.gatewayHeartbeatMs - SWEEP_MS) + SWEEP_MS,
  };
}

/**
 * Ends the connections that bring no whole frame. A frame without a mask never becomes whole: uWebSockets does not look at the mask bit
 * and waits for four bytes more. It shows neither those bytes nor that it waits, so a silent peer and an unmasked frame look the same
 * here. Both break the protocol, which requires a ping in every heartbeat, and both are closed with 1002.
 *
 *     before HELLO:  ──9 s──▶ probed ──pong──▶ 4002 at 10 s
 *                                 └──nothing, or anything else that is no message──▶ 1002, at 10 s at the latest
 *     ready:         ──heartbeat and a fifth without a whole frame──▶ 1002
 *
 * Agents that have the capability `heartbeat` are sent one, so that they notice a gateway that hangs. A pong counts as one: with pings in
 * twice that interval each round of an idle session is a ping, its pong, and one heartbeat.
 *
 * Silence is counted in sweeps, not read from a clock: a process that stood still counts one, and then reads what came meanwhile.
 */
export class LivenessMonitor {
  readonly #options: LivenessMonitorOptions;
  /** How many sweeps a session may be quiet, without and with heartbeats of the gateway. */
  readonly #quietSweeps: { readonly alone: number; readonly paired: number };
  #timer: Timer | undefined;

  constructor(options: LivenessMonitorOptions) {
    this.#options = options;
    const { aloneMs, pairedMs } = options.heartbeats;
    const sweepsIn = (heartbeatMs: number): number => Math.ceil((heartbeatMs * (1 + GRACE)) / SWEEP_MS);
    this.#quietSweeps = { alone: sweepsIn(aloneMs), paired: sweepsIn(pairedMs) };
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#sweep(), SWEEP_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** HELLO came. The first heartbeat goes out at a random time, so that a fleet is not sent them in step. */
  began(session: Session, { capabilities }: Pick<HelloBody, 'capabilities'>): void {
    if (session.mode === 'poll' || !capabilities.includes(CAPABILITY.heartbeat)) return;
    const { clock, heartbeats, random = Math.random } = this.#options;
    session.beatAtMs = clock.monotonic() + random() * (heartbeats.gatewayMs - SWEEP_MS);
  }

  /** What WELCOME says of heartbeats. */
  promises({ beatAtMs }: Session): Pick<WelcomeBody, 'heartbeatMs' | 'gatewayHeartbeatMs'> {
    const { aloneMs, pairedMs, gatewayMs } = this.#options.heartbeats;
    return beatAtMs === undefined ? { heartbeatMs: aloneMs } : { heartbeatMs: pairedMs, gatewayHeartbeatMs: gatewayMs };
  }

  /** A ping came whole. */
  pinged(session: Session): void {
    session.quietSweeps = 0;
    if (session.beatAtMs !== undefined) session.beatAtMs = this.#nextBeatAtMs();
    const { challenge } = session;
    if (challenge === undefined) return;
    if (challenge.life !== 'asked') challenge.pings = true;
    else if (challenge.pings) challenge.life = 'alive';
    // Its first ping, just when a pong is due: most likely the pong itself, read as the rest of a frame without a mask.
    else this.#broken(session, 'a ping where a pong was due');
  }

  /** A pong came whole. Before the probe, and in a session, unsolicited pongs are allowed (RFC 6455 §5.5.3). */
  ponged(session: Session, data: Uint8Array): void {
    session.quietSweeps = 0;
    const { challenge } = session;
    if (challenge?.life !== 'asked') return;
    if (data.length === PROBE.length && timingSafeEqual(data, PROBE)) challenge.life = 'alive';
    else this.#broken(session, 'a pong with other data than the ping');
  }

  #sweep(): void {
    const { clock, table } = this.#options;
    const nowMs = clock.monotonic();
    for (const session of table.pending.overdue(nowMs + PROBE_MS)) this.#checkDeadline(session, nowMs);
    for (const session of table.sessions()) {
      // The poll handler watches the sessions of agents that poll.
      if (session.state !== 'ready' || session.mode === 'poll') continue;
      session.quietSweeps += 1;
      const { beatAtMs } = session;
      if (session.quietSweeps > this.#quietSweeps[beatAtMs === undefined ? 'alone' : 'paired']) this.#silent(session);
      else if (beatAtMs !== undefined && nowMs >= beatAtMs) this.#beat(session);
    }
  }

  #beat(session: Session): void {
    session.connection.beat?.();
    session.beatAtMs = this.#nextBeatAtMs();
  }

  /** A sweep earlier than promised. */
  #nextBeatAtMs(): number {
    return this.#options.clock.monotonic() + this.#options.heartbeats.gatewayMs - SWEEP_MS;
  }

  /** A hello that does not come ends the connection, whatever else comes. */
  #checkDeadline(session: Session, nowMs: number): void {
    const { challenge, connection } = session;
    if (challenge === undefined) return;
    if (challenge.deadlineMs > nowMs) {
      if (challenge.life !== undefined || session.mode === 'poll') return;
      challenge.life = 'asked';
      connection.ping(PROBE);
    } else if (challenge.life === 'asked') {
      this.#broken(session, 'no HELLO, and no answer to a ping: silent, or frames that are not masked');
    } else {
      this.#options.end(session, 'helloTimeout', 'no valid hello before the deadline');
    }
  }

  #silent(session: Session): void {
    const detail = 'no whole frame within a heartbeat: silent, or frames that are not masked';
    this.#options.end(session, 'protocolError', detail, 'silent');
  }

  #broken(session: Session, detail: string): void {
    this.#options.end(session, 'protocolError', detail);
  }
}
