import { LIMITS, type HelloBody, type ModeBody, type SessionMode } from '@muster/protocol';
import { fullJitter, type Backoff } from '@muster/runtime';

/** How agents of a fleet talk, and whether they can be told to talk otherwise. */
export interface ChannelBehaviour {
  /** The channel before one is told; `mixed`: every second agent polls. */
  readonly mode: SessionMode | 'mixed';
  /** Whether they have the capability `mode`: then they go where gateways tell them. */
  readonly capable: boolean;
  /** Between two polls, where no gateway says. */
  readonly pollIntervalMs: number;
  /** Whether a capable agent polls when Live fails three times in a row, and goes on trying Live. */
  readonly fallback: boolean;
  /** The first delay, at most, before Live is tried again then. */
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
 * Which channel one agent uses (docs/protocol.md §11): the one that it was last told, or Poll while Live cannot be had.
 *
 *     as told ──third failure of Live──▶ away (polls, tries Live) ──Live is ready──▶ as told
 */
export class Channel {
  readonly #behaviour: ChannelBehaviour;
  #setting: Setting;
  /** What follows, and when. */
  #lease: { readonly untilMs: number; readonly forMs: number; readonly next: Setting } | undefined;
  #failures = 0;
  #failingSinceMs = 0;
  #turn: SessionMode = 'poll';
  /** Why it polls although it was told to use Live. */
  #away: string | undefined;
  #retry: Backoff | undefined;

  constructor(behaviour: ChannelBehaviour, index: number) {
    const { mode, pollIntervalMs: intervalMs } = behaviour;
    this.#behaviour = behaviour;
    this.#setting = { mode: mode === 'mixed' ? (index % 2 === 0 ? 'live' : 'poll') : mode, intervalMs };
  }

  /** The channel for an attempt while there is no session; when both fail, they take turns. */
  get next(): SessionMode {
    return this.#away === undefined ? this.#setting.mode : this.#turn;
  }

  /** The channel to be on. */
  get wanted(): SessionMode {
    return this.#away === undefined ? this.#setting.mode : 'poll';
  }

  get intervalMs(): number {
    return this.#setting.intervalMs;
  }

  /** For HELLO. */
  awayFor(nowMs: number): Pick<HelloBody, 'away'> {
    if (this.#away === undefined) return {};
    const forMs = Math.max(0, Math.round(nowMs - this.#failingSinceMs));
    return { away: { forMs, failures: this.#failures, why: this.#away } };
  }

  /** `ageMs`: how long ago it was said. */
  tell({ mode, intervalMs, lease }: ModeBody, ageMs: number, nowMs: number): void {
    if (!this.#behaviour.capable) return;
    this.#setting = { mode, intervalMs };
    this.#lease = lease === undefined ? undefined : { ...lease, untilMs: nowMs + lease.forMs - ageMs };
    if (mode === 'poll') this.#forget();
  }

  /** When a lease has just ended: over how long to spread what follows. */
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

  /** In how long to try Live beside a session that polls only because Live cannot be had; `undefined` when it does not. */
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
