import { timingSafeEqual } from 'node:crypto';
import { LIMITS, type CloseReason } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';
import type { Session } from './hub/session.js';
import type { SessionTable } from './hub/session-table.js';

export interface LivenessMonitorOptions {
  readonly clock: Clock;
  readonly table: SessionTable;
  /** How often agents must send a ping, as WELCOME says. */
  readonly heartbeatMs: number;
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

/** The usual heartbeat, and a shorter one where less silence is tolerated. */
export function heartbeatFor(silenceMs: number): number {
  return Math.min(LIMITS.heartbeatMs, Math.round((silenceMs * LIMITS.heartbeatMs) / LIMITS.sessionSilenceMs));
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
 * Silence is counted in sweeps, not read from a clock: a process that stood still counts one, and then reads what came meanwhile.
 */
export class LivenessMonitor {
  readonly #options: LivenessMonitorOptions;
  readonly #quietSweeps: number;
  #timer: Timer | undefined;

  constructor(options: LivenessMonitorOptions) {
    this.#options = options;
    this.#quietSweeps = Math.ceil((options.heartbeatMs * (1 + GRACE)) / SWEEP_MS);
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#sweep(), SWEEP_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** A ping came whole. */
  pinged(session: Session): void {
    session.quietSweeps = 0;
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
      if (session.quietSweeps > this.#quietSweeps) this.#silent(session);
    }
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
