import type { Clock, Timer } from '@muster/runtime/program';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** The longest time between two frames that the agent sends. */
  readonly everyMs: number;
  readonly random: () => number;
  /** Sends a ping without data. */
  readonly sendPing: () => void;
  /** Sends an unsolicited pong without data. */
  readonly sendPong: () => void;
  readonly onSilent: () => void;
}

/** After a ping, how long nothing may be received. */
const PATIENCE_MS = 15_000;
/** In heartbeats: if something was received within this time, no ping is needed. */
const FRESH = 1.5;
/** In heartbeats: if nothing was received for this long, a ping is sent, however much the agent sends. */
const STALE = 2;

/**
 * Keeps the connection open and notices when it is dead. A half-open TCP connection (cable pulled, NAT entry gone)
 * accepts writes for many minutes. Only received bytes prove that it is alive; pongs, pings and messages all count.
 *
 *     idle:  ──everyMs──▶ pong ──everyMs──▶ ping ◀── pong ──everyMs──▶ pong ──everyMs──▶ ping …
 *                                            └──15 s, and nothing received──▶ silent
 *
 * An endpoint idles for months, so every byte counts. An unsolicited pong (RFC 6455 §5.5.3) keeps the path open like a
 * ping and is not answered. Any other frame replaces a heartbeat. Neither ping nor pong carries data.
 *
 * The first heartbeat comes at a random time, and after other frames the next one is delayed at random: agents that
 * connected or were queried together must not stay in step.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  #receivedAtMs: number;
  #dueAtMs: number;
  /** Time of the first ping since something was received. */
  #unansweredSinceMs: number | undefined;
  #pingedAtMs: number | undefined;
  #rttMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#receivedAtMs = options.clock.monotonic();
    this.#dueAtMs = this.#receivedAtMs + options.everyMs * options.random();
    this.#arm();
  }

  /** The last measured round trip; `undefined` before the first pong. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  /** A frame was sent that is not a heartbeat. */
  sent(): void {
    const { clock, everyMs, random } = this.#options;
    this.#dueAtMs = clock.monotonic() + everyMs * (0.75 + 0.25 * random());
  }

  /** Anything was received from the gateway. */
  received(): void {
    this.#receivedAtMs = this.#options.clock.monotonic();
    this.#unansweredSinceMs = undefined;
  }

  /** A pong was received. The first one after a ping measures the round trip. */
  pong(): void {
    this.received();
    if (this.#pingedAtMs === undefined) return;
    this.#rttMs = this.#receivedAtMs - this.#pingedAtMs;
    this.#pingedAtMs = undefined;
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
  }

  /** Frames only delay the next heartbeat, so the timer is set again when it fires and not at every frame. */
  #arm(): void {
    const { clock, everyMs } = this.#options;
    const lifeMs =
      this.#unansweredSinceMs === undefined
        ? this.#receivedAtMs + STALE * everyMs
        : this.#unansweredSinceMs + PATIENCE_MS;
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
    const isStale = this.#unansweredSinceMs === undefined && nowMs - this.#receivedAtMs >= STALE * everyMs;
    if (isStale || nowMs >= this.#dueAtMs) this.#beat(nowMs);
    this.#arm();
  }

  #beat(nowMs: number): void {
    const { everyMs, sendPing, sendPong } = this.#options;
    const isFresh = nowMs - this.#receivedAtMs <= FRESH * everyMs;
    this.#dueAtMs = nowMs + everyMs;
    // A second ping would tell nothing new, but the gateway also watches for our silence.
    if (isFresh || this.#unansweredSinceMs !== undefined) return sendPong();
    this.#unansweredSinceMs = nowMs;
    this.#pingedAtMs = nowMs;
    sendPing();
  }
}
