import { CLOSE, clipMessage, closeReasonOf, shouldReconnect, type HelloBody, type SessionMode } from '@muster/protocol';
import { type Backoff, type Clock, fullJitter } from '@muster/runtime/program';
import type { ConnectionEnd } from '../contract/session-connection.js';
import type { DesiredMode } from '../contract/desired-mode.js';

export interface TransportSelectorOptions {
  readonly desired: Pick<DesiredMode, 'setting' | 'fallsBack'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly random: () => number;
}

/** After this many failures in a row, Live counts as not available. */
const FAILURES = 3;
const PROBE_BASE_MS = 30_000;
const PROBE_CAP_MS = 600_000;
/** A Live session that was cut earlier does not show that the network path carries Live. */
const STABLE_MS = 30_000;
/**
 * Silence is noticed after one or two heartbeats, so a session on which nothing got through looks as if it was held
 * that long.
 */
const SILENT_WITHIN_MS = 120_000;
/** Close codes with which a gateway ends a session on purpose; they say nothing against the network path. */
const INTENDED: readonly number[] = [
  CLOSE.goingAway,
  CLOSE.internalError,
  CLOSE.draining,
  CLOSE.sessionAge,
  CLOSE.overloaded,
  CLOSE.fenced,
  CLOSE.slowConsumer,
].map(({ code }) => code);

/**
 * Which transport the next session uses. If the desired mode is Live, three failures of Live in a row lead to a fallback:
 * the agent polls, and probes Live with backoff. The fallback ends when a Live session was held.
 *
 *            third failure in a row                      ┌── Live ready, cut within 30 s ──┐
 *  desired ────────────────────────▶ fallback (Poll, Live is probed with backoff) ◀────────┘
 *     ▲                                                  │
 *     └────────────── a Live session held for 30 s ──────┘
 */
export class TransportSelector {
  readonly #options: TransportSelectorOptions;
  readonly #backoff: Backoff;
  #failures = 0;
  #sinceMs = 0;
  #why = '';
  #probeAtMs = 0;
  #liveReadyAtMs: number | undefined;
  /** Poll attempts that failed in a row. */
  #pollFailures = 0;
  /** While both transports fail, attempts alternate. */
  #turn: SessionMode = 'poll';

  constructor(options: TransportSelectorOptions) {
    this.#options = options;
    this.#backoff = fullJitter({ baseMs: PROBE_BASE_MS, capMs: PROBE_CAP_MS, random: options.random });
  }

  /** The transport that a session should be on now. */
  get preferred(): SessionMode {
    return this.#isFallback ? 'poll' : this.#desired;
  }

  /** The transport for the next attempt while there is no session. */
  get next(): SessionMode {
    // An agent that should poll and cannot is better reached over Live than not at all.
    const pollFails = this.#desired === 'poll' && this.#options.desired.fallsBack && this.#pollFailures >= FAILURES;
    return this.#isFallback || pollFails ? this.#turn : this.#desired;
  }

  /** When to probe Live beside a fallback session, in ms from now; `undefined` when there is no fallback. */
  get probeInMs(): number | undefined {
    return this.#isFallback ? Math.max(0, this.#probeAtMs - this.#options.clock.monotonic()) : undefined;
  }

  /** For `away` of HELLO: why this session does not use, or until now did not use, the desired mode. */
  get fallback(): HelloBody['away'] {
    if (!this.#isFallback) return undefined;
    const forMs = Math.round(this.#options.clock.monotonic() - this.#sinceMs);
    return { forMs, failures: this.#failures, why: this.#why };
  }

  /** The desired mode has changed. An agent that should use Live tries it soon, whatever the backoff says. */
  modeChanged(spreadMs: number): void {
    const { clock, random } = this.#options;
    if (this.#desired === 'poll') this.#forget();
    else this.#probeAtMs = Math.min(this.#probeAtMs, clock.monotonic() + Math.floor(random() * spreadMs));
  }

  /** Live is not probed before that. */
  postponeProbe(delayMs: number): void {
    this.#probeAtMs = Math.max(this.#probeAtMs, this.#options.clock.monotonic() + delayMs);
  }

  ready(mode: SessionMode): void {
    this.#turn = 'poll';
    if (mode === 'poll') this.#pollFailures = 0;
    if (mode === 'live') this.#liveReadyAtMs = this.#options.clock.monotonic();
  }

  /** The agent closed a ready session. */
  left(mode: SessionMode): void {
    if (mode === 'live') this.#settle();
  }

  /**
   * An attempt failed. `true` when the network path does not carry Live and Poll may be used instead. Then the answer
   * on this path says nothing about this agent.
   */
  attemptFailed(mode: SessionMode, end: ConnectionEnd): boolean {
    this.#turn = mode === 'poll' ? 'live' : 'poll';
    if (mode === 'live') return this.#judge(end, undefined);
    if (isPathFault(end, undefined)) this.#pollFailures += 1;
    return false;
  }

  /** A ready session ended. Returns the same as {@link attemptFailed}. */
  sessionEnded(mode: SessionMode, end: ConnectionEnd): boolean {
    if (mode === 'poll') return false;
    const heldMs = this.#options.clock.monotonic() - (this.#liveReadyAtMs ?? 0);
    const isFault = isPathFault(end, heldMs);
    // Silence is noticed late, so such a session may look stable.
    if (isFault) this.#liveReadyAtMs = undefined;
    else this.#settle();
    return this.#judge(end, heldMs);
  }

  get #desired(): SessionMode {
    return this.#options.desired.setting.mode;
  }

  get #isFallback(): boolean {
    return this.#desired === 'live' && this.#failures >= FAILURES && this.#liveReadyAtMs === undefined;
  }

  #judge(end: ConnectionEnd, heldMs: number | undefined): boolean {
    const { clock, desired } = this.#options;
    const isFault = desired.fallsBack && isPathFault(end, heldMs);
    if (isFault) {
      if (this.#failures === 0) this.#sinceMs = clock.monotonic();
      this.#failures += 1;
      this.#why = clipMessage(describe(end, heldMs));
    }
    const floorMs = end.kind === 'refused' ? end.refusal.retryAfterMs : undefined;
    if (this.#failures >= FAILURES) this.#probeAtMs = clock.monotonic() + this.#backoff.next(floorMs);
    return isFault && this.#desired === 'live';
  }

  /** A Live session is over. If it was held, the failures are forgotten. */
  #settle(): void {
    const { clock } = this.#options;
    if (this.#liveReadyAtMs !== undefined && clock.monotonic() - this.#liveReadyAtMs >= STABLE_MS) this.#forget();
    this.#liveReadyAtMs = undefined;
  }

  #forget(): void {
    this.#failures = 0;
    this.#backoff.reset();
  }
}

/**
 * Whether the end was caused by something between agent and gateway. `heldMs` is absent when the session was never
 * ready.
 */
function isPathFault(end: ConnectionEnd, heldMs: number | undefined): boolean {
  switch (end.kind) {
    case 'failed':
      return true;
    case 'refused':
      return !isGatewayAnswer(end.refusal.status, end.refusal.code);
    case 'abandoned':
      return isSilence(end) ? (heldMs ?? 0) < SILENT_WITHIN_MS : (heldMs ?? 0) < STABLE_MS;
    case 'closed':
      if (!shouldReconnect(end.code) || INTENDED.includes(end.code)) return false;
      return (heldMs ?? 0) < (isSilence(end) ? SILENT_WITHIN_MS : STABLE_MS);
  }
}

/**
 * Whether a gateway refused this agent or was busy. A gateway that saw a broken upgrade also answers; then a proxy
 * broke it.
 */
function isGatewayAnswer(status: number, code: string | undefined): boolean {
  return code !== undefined && (status === 401 || code === 'revoked' || status === 429 || status === 503);
}

function isSilence(end: ConnectionEnd): boolean {
  return end.kind === 'abandoned'
    ? end.why === 'gateway_silent'
    : end.kind === 'closed' && end.code === CLOSE.silent.code;
}

function describe(end: ConnectionEnd, heldMs: number | undefined): string {
  const after = heldMs === undefined ? 'before it was ready' : `after ${Math.round(heldMs / 1_000)} s`;
  switch (end.kind) {
    case 'failed':
      return `the connection failed: ${end.error.message}`;
    case 'refused': {
      const { status, code, detail } = end.refusal;
      return `the upgrade was answered with ${[status, code, detail].filter(Boolean).join(' ')}`;
    }
    case 'abandoned':
      return end.why === 'gateway_silent' ? `nothing was heard ${after}` : `given up ${after}: ${end.why}`;
    case 'closed':
      return `the connection was ${end.code === 1006 ? 'cut' : `closed with ${closeReasonOf(end.code) ?? end.code}`} ${after}`;
  }
}
