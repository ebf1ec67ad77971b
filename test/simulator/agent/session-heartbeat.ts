import type { WelcomeBody } from '@muster/protocol';

/** Sessions are visited about every second, so what must happen by some moment is due that much before. */
const VISIT_MS = 1_000;
/** How late a heartbeat of the gateway may be before it is asked; and how long it may take to answer. */
const LATE_MS = 1_000 - VISIT_MS;
const PATIENCE_MS = 4_000 - VISIT_MS;
/** How early a ping is sent. */
const EARLY_MS = 2 * VISIT_MS;
/** Between two visits; after a longer time this process stood still. */
const STALL_MS = 2_500;

/**
 * The heartbeat of one session (docs/protocol.md §9), in steps of about a second: of all moments when something is due, the simulator takes
 * the next visit.
 */
export class SessionHeartbeat {
  #everyMs = 0;
  #staleMs = Number.POSITIVE_INFINITY;
  #receivedAtMs: number;
  #sentAtMs: number;
  #visitedAtMs: number;
  /** Time of the first ping since something was received. */
  #unansweredSinceMs: number | undefined;

  constructor(nowMs: number) {
    this.#receivedAtMs = nowMs;
    this.#sentAtMs = nowMs;
    this.#visitedAtMs = nowMs;
  }

  /** The session is ready. Spreads the first pings of agents that connected at the same moment. */
  start({ heartbeatMs, gatewayHeartbeatMs }: WelcomeBody, nowMs: number): void {
    this.#everyMs = Math.max(heartbeatMs - EARLY_MS, 0.8 * heartbeatMs);
    this.#staleMs = gatewayHeartbeatMs === undefined ? 2 * heartbeatMs : gatewayHeartbeatMs + LATE_MS;
    this.#sentAtMs = nowMs - Math.random() * 0.8 * heartbeatMs;
    this.#visitedAtMs = nowMs;
  }

  received(nowMs: number): void {
    this.#receivedAtMs = nowMs;
    this.#unansweredSinceMs = undefined;
  }

  sent(nowMs: number): void {
    this.#sentAtMs = nowMs;
  }

  /** What is due now. */
  visit(nowMs: number): 'nothing' | 'ping' | 'silent' {
    // What came while this process stood still is not read yet.
    const stoodStill = nowMs - this.#visitedAtMs > STALL_MS;
    this.#visitedAtMs = nowMs;
    const since = this.#unansweredSinceMs;
    if (since !== undefined && nowMs - since >= PATIENCE_MS && !stoodStill) return 'silent';
    const isStale = since === undefined && nowMs - this.#receivedAtMs > this.#staleMs;
    if (!isStale && !stoodStill && nowMs - this.#sentAtMs <= this.#everyMs) return 'nothing';
    this.#sentAtMs = nowMs;
    if (since === undefined || stoodStill) this.#unansweredSinceMs = nowMs;
    return 'ping';
  }
}
