import type { CloseReason } from '@muster/protocol';
import type { Clock, Timer } from '@muster/runtime';
import type { Hub } from './hub/hub.js';
import type { Session } from './hub/session.js';

export interface MaxConnectionAgeOptions {
  readonly hub: Hub;
  readonly sessions: {
    askToMove(sessions: Iterable<Session>, move: { readonly spreadMs: number; readonly reason: string }): void;
    end(session: Session, reason: CloseReason): void;
  };
  readonly clock: Clock;
  readonly maxAgeMs: number;
  readonly random?: () => number;
}

const SWEEP_MS = 5_000;
/** How long an agent has to open its next session before the old one is closed. */
const GRACE_MS = 60_000;

/**
 * Moves sessions gently: each has a jittered maximum age, after which its agent is asked to open the next one, wherever the load balancer
 * sends it. Without this, all agents stay on the gateway that was up first.
 */
export class MaxConnectionAge {
  readonly #options: MaxConnectionAgeOptions;
  readonly #random: () => number;
  /** Those that were asked to move, and until when they may stay. */
  readonly #asked = new Map<Session, number>();
  #timer: Timer | undefined;

  constructor(options: MaxConnectionAgeOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#sweep(), SWEEP_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  /** When a session that begins now is asked to move: between three quarters and all of the maximum age. */
  moveAtMs(): number {
    const { clock, maxAgeMs } = this.#options;
    return clock.monotonic() + maxAgeMs * (0.75 + this.#random() / 4);
  }

  #sweep(): void {
    const { hub, sessions, clock } = this.#options;
    const nowMs = clock.monotonic();
    for (const [session, untilMs] of this.#asked) {
      if (session.state !== 'closed' && nowMs < untilMs) continue;
      this.#asked.delete(session);
      if (session.state !== 'closed') sessions.end(session, 'sessionAge');
    }
    const due: Session[] = [];
    for (const session of hub.sessions()) {
      if (session.moveAtMs > nowMs || this.#asked.has(session)) continue;
      // An agent that polls receives the request at its next poll.
      const receivesAtMs = Math.max(nowMs, session.connection.dueMs ?? nowMs);
      this.#asked.set(session, receivesAtMs + SWEEP_MS + GRACE_MS);
      due.push(session);
    }
    if (due.length > 0) sessions.askToMove(due, { spreadMs: SWEEP_MS, reason: 'session_age' });
  }
}
