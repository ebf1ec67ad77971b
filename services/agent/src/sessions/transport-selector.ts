import { CLOSE, clipMessage, closeReasonOf, shouldReconnect, type HelloBody, type SessionMode } from '@muster/protocol';
import { type Backoff, type Clock, fullJitter } from '@muster/runtime/program';
import type { ConnectionEnd } from '../contract/session-connection.js';
import type { DesiredMode } from '../capabilities/modes/assigned-mode.js';

export interface TransportSelectorOptions {
  readonly wanted: Pick<DesiredMode, 'setting' | 'fallsBack'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly random: () => number;
}

/** So many failures in a row, and Live counts as something that cannot be had. */
const FAILURES = 3;
const RETRY_BASE_MS = 30_000;
const RETRY_CAP_MS = 600_000;
/** A Live session that was cut before has not shown that the way carries one. */
const STABLE_MS = 30_000;
/** It takes a heartbeat or two to notice silence, so the session looks held for that long although nothing got through. */
const SILENT_WITHIN_MS = 120_000;
/** What a gateway means when it ends a session early; the way there is well. */
const MEANT: readonly number[] = [
  CLOSE.goingAway,
  CLOSE.internalError,
  CLOSE.draining,
  CLOSE.sessionAge,
  CLOSE.overloaded,
  CLOSE.fenced,
  CLOSE.slowConsumer,
].map(({ code }) => code);

/**
 * Which channel the next session is to use. Told to use Live, an agent polls once Live has failed three times in a row, and goes on trying Live, until a Live
 * session has held.
 *
 *            third failure in a row                     ┌── Live ready, cut within 30 s ──┐
 *  as told ────────────────────────▶ away (Poll; Live is tried with backoff) ◀────────────┘
 *     ▲                                                 │
 *     └────────────── a Live session held for 30 s ─────┘
 */
export class TransportSelector {
  readonly #options: TransportSelectorOptions;
  readonly #retry: Backoff;
  #failures = 0;
  #sinceMs = 0;
  #why = '';
  #retryAtMs = 0;
  #liveReadyAtMs: number | undefined;
  /** Attempts to poll that failed in a row. */
  #pollFailures = 0;
  /** While both fail, attempts take turns. */
  #turn: SessionMode = 'poll';

  constructor(options: TransportSelectorOptions) {
    this.#options = options;
    this.#retry = fullJitter({ baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS, random: options.random });
  }

  /** The channel that a session is to be on now. */
  get usual(): SessionMode {
    return this.#isAway ? 'poll' : this.#wanted;
  }

  /** The channel for the next attempt while there is no session. */
  get next(): SessionMode {
    // Told to poll and unable to, an agent that can still be reached over Live is better than one that cannot be reached.
    const isLost = this.#wanted === 'poll' && this.#options.wanted.fallsBack && this.#pollFailures >= FAILURES;
    return this.#isAway || isLost ? this.#turn : this.#wanted;
  }

  /** In how long to try Live beside a session that polls only because Live cannot be had; `undefined` when it does not. */
  get retryInMs(): number | undefined {
    return this.#isAway ? Math.max(0, this.#retryAtMs - this.#options.clock.monotonic()) : undefined;
  }

  /** For HELLO: why this session is not, or until now was not, on the channel that was told. */
  get away(): HelloBody['away'] {
    if (!this.#isAway) return undefined;
    const forMs = Math.round(this.#options.clock.monotonic() - this.#sinceMs);
    return { forMs, failures: this.#failures, why: this.#why };
  }

  /** Gateways say something else now; whoever is told to use Live tries it soon, whatever the backoff says. */
  toldAnew(spreadMs: number): void {
    const { clock, random } = this.#options;
    if (this.#wanted === 'poll') this.#forget();
    else this.#retryAtMs = Math.min(this.#retryAtMs, clock.monotonic() + Math.floor(random() * spreadMs));
  }

  /** Live is not tried beside Poll before that. */
  postpone(delayMs: number): void {
    this.#retryAtMs = Math.max(this.#retryAtMs, this.#options.clock.monotonic() + delayMs);
  }

  ready(mode: SessionMode): void {
    this.#turn = 'poll';
    if (mode === 'poll') this.#pollFailures = 0;
    if (mode === 'live') this.#liveReadyAtMs = this.#options.clock.monotonic();
  }

  /** We left a ready session. */
  left(mode: SessionMode): void {
    if (mode === 'live') this.#settle();
  }

  /**
   * An attempt failed. `true` when that shows that the way does not carry Live, and Poll may be had instead: then nothing that an answer on this way
   * said of this agent is to be believed.
   */
  attemptFailed(mode: SessionMode, end: ConnectionEnd): boolean {
    this.#turn = mode === 'poll' ? 'live' : 'poll';
    if (mode === 'live') return this.#judge(end, undefined);
    if (isFaultOfTheWay(end, undefined)) this.#pollFailures += 1;
    return false;
  }

  /** A ready session ended. `true` as above. */
  sessionEnded(mode: SessionMode, end: ConnectionEnd): boolean {
    if (mode === 'poll') return false;
    const heldMs = this.#options.clock.monotonic() - (this.#liveReadyAtMs ?? 0);
    const isFault = isFaultOfTheWay(end, heldMs);
    // Silence is noticed late: such a session may look stable.
    if (isFault) this.#liveReadyAtMs = undefined;
    else this.#settle();
    return this.#judge(end, heldMs);
  }

  get #wanted(): SessionMode {
    return this.#options.wanted.setting.mode;
  }

  get #isAway(): boolean {
    return this.#wanted === 'live' && this.#failures >= FAILURES && this.#liveReadyAtMs === undefined;
  }

  #judge(end: ConnectionEnd, heldMs: number | undefined): boolean {
    const { clock, wanted } = this.#options;
    const isFault = wanted.fallsBack && isFaultOfTheWay(end, heldMs);
    if (isFault) {
      if (this.#failures === 0) this.#sinceMs = clock.monotonic();
      this.#failures += 1;
      this.#why = clipMessage(sentence(end, heldMs));
    }
    const floorMs = end.kind === 'refused' ? end.refusal.retryAfterMs : undefined;
    if (this.#failures >= FAILURES) this.#retryAtMs = clock.monotonic() + this.#retry.next(floorMs);
    return isFault && this.#wanted === 'live';
  }

  /** Live is left; when it had held, failures are counted anew. */
  #settle(): void {
    const { clock } = this.#options;
    if (this.#liveReadyAtMs !== undefined && clock.monotonic() - this.#liveReadyAtMs >= STABLE_MS) this.#forget();
    this.#liveReadyAtMs = undefined;
  }

  #forget(): void {
    this.#failures = 0;
    this.#retry.reset();
  }
}

/** Whether something between agent and gateway is at fault, and not one of the two. `heldMs` of a session that was ready. */
function isFaultOfTheWay(end: ConnectionEnd, heldMs: number | undefined): boolean {
  switch (end.kind) {
    case 'failed':
      return true;
    case 'refused':
      return !isWordOfTheGateway(end.refusal.status, end.refusal.code);
    case 'abandoned':
      return isSilence(end) ? (heldMs ?? 0) < SILENT_WITHIN_MS : (heldMs ?? 0) < STABLE_MS;
    case 'closed':
      if (!shouldReconnect(end.code) || MEANT.includes(end.code)) return false;
      return (heldMs ?? 0) < (isSilence(end) ? SILENT_WITHIN_MS : STABLE_MS);
  }
}

/** What a gateway says of this agent or of itself. That it saw no upgrade, or one without its key, is what a proxy made of it. */
function isWordOfTheGateway(status: number, code: string | undefined): boolean {
  return code !== undefined && (status === 401 || code === 'revoked' || status === 429 || status === 503);
}

function isSilence(end: ConnectionEnd): boolean {
  return end.kind === 'abandoned'
    ? end.why === 'gateway_silent'
    : end.kind === 'closed' && end.code === CLOSE.silent.code;
}

function sentence(end: ConnectionEnd, heldMs: number | undefined): string {
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
