import type { Clock, Timer } from '@muster/runtime/program';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** The most that may lie between two frames that we send. */
  readonly everyMs: number;
  readonly random: () => number;
  /** Sends a ping without data. */
  readonly sendPing: () => void;
  /** Sends a pong without data, which nobody asked for. */
  readonly sendPong: () => void;
  readonly onSilent: () => void;
}

/** How long a ping may stay without anything heard. */
const PATIENCE_MS = 15_000;
/** In heartbeats: a peer that was heard this long ago need not be asked whether it lives. */
const FRESH = 1.5;
/** In heartbeats: however much we say ourselves, a peer that says nothing is asked by then. */
const STALE = 2;

/**
 * Keeps a session's path open and notices when it is not. A half-open TCP connection (cable pulled, NAT entry gone) accepts writes for many
 * minutes; only something heard proves life, and anything heard does: pongs, pings and messages.
 *
 *     idle:  ──everyMs──▶ pong ──everyMs──▶ ping ◀── pong ──everyMs──▶ pong ──everyMs──▶ ping …
 *                                            └──15 s, and nothing heard──▶ silent
 *
 * Every byte counts for an endpoint that idles for months: a pong that nobody asked for (RFC 6455 §5.5.3) keeps the path open as well as a ping does and is
 * not answered, anything else that is sent takes a heartbeat's place, and neither carries data.
 *
 * The first one comes at a random time, and after other frames the next one is late at random: a fleet that connected, or was asked something, at one
 * moment must not keep step from then on.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #heardAtMs: number;
  #dueAtMs: number;
  /** Of the first ping since something was heard. */
  #unansweredSinceMs: number | undefined;
  #pingedAtMs: number | undefined;
  #rttMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonic();
    this.#dueAtMs = this.#heardAtMs + options.everyMs * options.random();
    this.#arm();
  }

  /** The last measured round trip; `undefined` before the first pong. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** A frame of any kind went out that is not a heartbeat. */
  sent(): void {
    const { clock, everyMs, random } = this.#options;
    this.#dueAtMs = clock.monotonic() + everyMs * (0.75 + 0.25 * random());
  }

  /** Anything at all came from the peer. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.monotonic();
    this.#unansweredSinceMs = undefined;
  }

  /** A pong came; the first one after a ping measures the round trip. */
  pong(): void {
    this.heard();
    if (this.#pingedAtMs === undefined) return;
    this.#rttMs = this.#heardAtMs - this.#pingedAtMs;
    this.#pingedAtMs = undefined;
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }

  /** What was sent or heard meanwhile only puts things off, so the timer is armed again when it fires, not at every frame. */
  #arm(): void {
    const { clock, everyMs } = this.#options;
    const lifeMs =
      this.#unansweredSinceMs === undefined ? this.#heardAtMs + STALE * everyMs : this.#unansweredSinceMs + PATIENCE_MS;
    const dueMs = Math.min(this.#dueAtMs, lifeMs);
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(1, Math.ceil(dueMs - clock.monotonic())));
  }

  #tick(): void {
    const { clock, everyMs, onSilent } = this.#options;
    const nowMs = clock.monotonic();
    const unansweredMs = this.#unansweredSinceMs === undefined ? 0 : nowMs - this.#unansweredSinceMs;
    if (unansweredMs >= PATIENCE_MS) {
      this.stop();
      onSilent();
      return;
    }
    const isStale = this.#unansweredSinceMs === undefined && nowMs - this.#heardAtMs >= STALE * everyMs;
    if (isStale || nowMs >= this.#dueAtMs) this.#beat(nowMs);
    this.#arm();
  }

  #beat(nowMs: number): void {
    const { everyMs, sendPing, sendPong } = this.#options;
    const isFresh = nowMs - this.#heardAtMs <= FRESH * everyMs;
    this.#dueAtMs = nowMs + everyMs;
    // A second ping would tell nothing that the first does not, but the peer counts our silence too.
    if (isFresh || this.#unansweredSinceMs !== undefined) return sendPong();
    this.#unansweredSinceMs = nowMs;
    this.#pingedAtMs = nowMs;
    sendPing();
  }
}
