import { LIMITS, type HelloBody, type ModeBody, type SessionMode } from '@muster/protocol';
import { fullJitter, type Backoff } from '@muster/runtime';

/** Which channel the agents of a fleet use, and whether gateways can change that. */
export interface ChannelBehaviour {
  /** The channel until a gateway assigns one. `mixed`: every second agent polls. */
  readonly mode: SessionMode | 'mixed';
  /** Whether they have the capability `mode`, so that gateways can assign the channel. */
  readonly capable: boolean;
  /** The interval between two polls, unless a gateway assigns one. */
  readonly pollIntervalMs: number;
  /** Whether a capable agent falls back to Poll when Live fails three times in a row, and keeps retrying Live. */
  readonly fallback: boolean;
  /** The longest first delay before Live is retried then. */
  readonly retryMs: number;
  /** Each poll goes to the next gateway, as behind a load balancer without stickiness; otherwise all go where the session was opened. */
  readonly scattered: boolean;
}

const DEFAULT: ChannelBehaviour = {
  mode: 'live',
  capable: true,
  pollIntervalMs: LIMITS.pollIntervalMs,
  fallback: false,
  retryMs: 30_000,
  scattered: false,
};

/** Fills in the defaults. */
export function completeChannelBehaviour(behaviour: Partial<ChannelBehaviour> = {}): ChannelBehaviour {
  return { ...DEFAULT, ...behaviour };
}

interface Setting {
  readonly mode: SessionMode;
  readonly intervalMs: number;
}

const FAILURES = 3;
const HELD_MS = 30_000;
const RETRY_CAP_MS = 600_000;

/**
 * Which channel one agent uses (docs/protocol.md §11): the one that was assigned last, or Poll while Live does not work.
 *
 *     assigned ──third failure of Live──▶ fallback (polls, retries Live) ──Live is ready──▶ assigned
 */
export class ChannelSelector {
  readonly #behaviour: ChannelBehaviour;
  #setting: Setting;
  /** The assignment that follows, and when. */
  #lease: { readonly untilMs: number; readonly forMs: number; readonly next: Setting } | undefined;
  #failures = 0;
  #failingSinceMs = 0;
  #turn: SessionMode = 'poll';
  /** Why it polls although Live is assigned. */
  #away: string | undefined;
  #retry: Backoff | undefined;

  constructor(behaviour: ChannelBehaviour, index: number) {
    const { mode, pollIntervalMs: intervalMs } = behaviour;
    this.#behaviour = behaviour;
    this.#setting = { mode: mode === 'mixed' ? (index % 2 === 0 ? 'live' : 'poll') : mode, intervalMs };
  }

  /** The channel of the next attempt without a session. While both fail, they alternate. */
  get next(): SessionMode {
    return this.#away === undefined ? this.#setting.mode : this.#turn;
  }

  /** The channel that the session should use. */
  get desiredMode(): SessionMode {
    return this.#away === undefined ? this.#setting.mode : 'poll';
  }

  get intervalMs(): number {
    return this.#setting.intervalMs;
  }

  /** The field `away` of HELLO, while it has fallen back. */
  fallbackField(nowMs: number): Pick<HelloBody, 'away'> {
    if (this.#away === undefined) return {};
    const forMs = Math.max(0, Math.round(nowMs - this.#failingSinceMs));
    return { away: { forMs, failures: this.#failures, why: this.#away } };
  }

  /** `ageMs`: how long ago the gateway assigned it. */
  assign({ mode, intervalMs, lease }: ModeBody, ageMs: number, nowMs: number): void {
    if (!this.#behaviour.capable) return;
    this.#setting = { mode, intervalMs };
    this.#lease = lease === undefined ? undefined : { ...lease, untilMs: nowMs + lease.forMs - ageMs };
    if (mode === 'poll') this.#forget();
  }

  /** When a lease has just ended: over how long to spread the change that follows. Otherwise `undefined`. */
  lapse(nowMs: number): number | undefined {
    if (this.#lease === undefined || nowMs < this.#lease.untilMs) return undefined;
    const spreadMs = Math.min(60_000, this.#lease.forMs / 20);
    this.#setting = this.#lease.next;
    this.#lease = undefined;
    if (this.#setting.mode === 'poll') this.#forget();
    return spreadMs;
  }

  /** A session was refused, never became ready, or was cut after `heldMs`. */
  failed(mode: SessionMode, { heldMs, why }: { readonly heldMs: number; readonly why: string }, nowMs: number): void {
    this.#turn = mode === 'live' ? 'poll' : 'live';
    if (mode === 'poll') return;
    if (this.#failures === 0) this.#failingSinceMs = nowMs;
    this.#failures = heldMs >= HELD_MS ? 0 : this.#failures + 1;
    const { capable, fallback } = this.#behaviour;
    if (!capable || !fallback || this.#setting.mode !== 'live' || this.#failures < FAILURES) return;
    this.#away = why;
  }

  ready(mode: SessionMode): void {
    this.#turn = 'poll';
    if (mode === 'live') this.#away = undefined;
  }

  /** The delay before Live is retried beside a fallback session; `undefined` without a fallback. */
  nextTryMs(): number | undefined {
    if (this.#away === undefined) return undefined;
    this.#retry ??= fullJitter({ baseMs: this.#behaviour.retryMs, capMs: RETRY_CAP_MS });
    return this.#retry.next();
  }

  #forget(): void {
    this.#away = undefined;
    this.#failures = 0;
    this.#retry?.reset();
  }
}
