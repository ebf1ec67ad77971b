import type { Clock, Timer } from '@muster/runtime/program';

export interface HeartbeatOptions {
  readonly clock: Clock;
  /** The longest time between two frames that the agent sends. */
  readonly everyMs: number;
  /** The gateway sends something at least this often; absent: it sends nothing by itself. */
  readonly gatewayEveryMs?: number | undefined;
  readonly random: () => number;
  /** Sends a ping without data. */
  readonly sendPing: () => void;
  /** Sends an unsolicited pong without data. */
  readonly sendPong: () => void;
  readonly onSilent: () => void;
}

/** After a ping, how long nothing may be received. */
const PATIENCE_MS = 4_000;
/** How late a heartbeat of the gateway may be before it is asked. */
const LATE_MS = 1_000;
/** A timer that fires this late shows that this process, or the machine, stood still. */
const STALL_MS = 1_000;
/** In heartbeats, where the gateway sends none: if something was received within this time, no ping is needed. */
const FRESH = 1.5;
/** The same: if nothing was received for this long, a ping is sent, however much the agent sends. */
const STALE = 2;

/**
 * Keeps the connection open and notices when it is dead. A half-open TCP connection (cable pulled, NAT entry gone) and a
 * gateway that hangs accept writes for many minutes. Only received bytes prove that they are alive; pongs, pings and
 * messages all count.
 *
 *     idle:  ──everyMs──▶ ping ◀── pong ·····gatewayEveryMs····▶ heartbeat of the gateway ·····▶ ping ◀── pong …
 *              nothing received for gatewayEveryMs and 1 s ──▶ ping ──4 s, and nothing received──▶ silent
 *
 * An endpoint idles for months, so every byte counts: neither ping nor pong carries data, and any other frame replaces a
 * heartbeat. A gateway that sends no heartbeats is asked with every second one; the others are unsolicited pongs
 * (RFC 6455 §5.5.3), which keep the path open and are not answered.
 *
 * The first heartbeat comes at a random time, and after other frames the next one is delayed at random: agents that
 * connected or were queried together must not stay in step.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** Nothing received for longer than this: a ping is sent. */
  readonly #staleMs: number;
  /** Something received within this time: a pong will do. */
  readonly #freshMs: number;
  #timer: Timer | undefined;
  #timerDueAtMs = 0;
  #receivedAtMs: number;
  #dueAtMs: number;
  /** Time of the first ping since something was received. */
  #unansweredSinceMs: number | undefined;
  #pingedAtMs: number | undefined;
  #rttMs: number | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    const { clock, everyMs, gatewayEveryMs, random } = options;
    this.#staleMs = gatewayEveryMs === undefined ? STALE * everyMs : gatewayEveryMs + LATE_MS;
    this.#freshMs = gatewayEveryMs === undefined ? FRESH * everyMs : 0;
    this.#receivedAtMs = clock.monotonic();
    this.#dueAtMs = this.#receivedAtMs + everyMs * random();
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
    const { clock } = this.#options;
    const lifeMs =
      this.#unansweredSinceMs === undefined
        ? this.#receivedAtMs + this.#staleMs
        : this.#unansweredSinceMs + PATIENCE_MS;
    const nowMs = clock.monotonic();
    this.#timerDueAtMs = Math.max(nowMs, Math.min(this.#dueAtMs, lifeMs));
    this.#timer = clock.setTimeout(() => this.#tick(), Math.max(1, Math.ceil(this.#timerDueAtMs - nowMs)));
  }

  #tick(): void {
    const { clock, onSilent } = this.#options;
    const nowMs = clock.monotonic();
    const unansweredMs = this.#unansweredSinceMs === undefined ? 0 : nowMs - this.#unansweredSinceMs;
    if (unansweredMs >= PATIENCE_MS) {
      // What came while this process stood still is not read yet: it asks once more.
      if (nowMs - this.#timerDueAtMs < STALL_MS) {
        this.stop();
        onSilent();
        return;
      }
      this.#unansweredSinceMs = undefined;
    }
    const isStale = this.#unansweredSinceMs === undefined && nowMs - this.#receivedAtMs >= this.#staleMs;
    if (isStale || nowMs >= this.#dueAtMs) this.#beat(nowMs);
    this.#arm();
  }

  #beat(nowMs: number): void {
    const { everyMs, sendPing, sendPong } = this.#options;
    const isFresh = nowMs - this.#receivedAtMs <= this.#freshMs;
    this.#dueAtMs = nowMs + everyMs;
    // A second ping would tell nothing new, but the gateway also watches for our silence.
    if (isFresh || this.#unansweredSinceMs !== undefined) return sendPong();
    this.#unansweredSinceMs = nowMs;
    this.#pingedAtMs = nowMs;
    sendPing();
  }
}
