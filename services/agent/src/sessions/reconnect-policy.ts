import { CLOSE, closeReasonOf, shouldReconnect } from '@muster/protocol';
import { type Backoff, fullJitter } from '@muster/runtime/program';
import type { ConnectionEnd } from '../contract/session-connection.js';
import type { EnrolOutcome } from '../identity/enrol.js';
import type { Refusal } from '../network/http-refusal.js';

/** When to try again, after a connection or an enrolment ended without a session. */
export interface Reconnect {
  readonly delayMs: number;
  /** The token is not valid: get another one before the next attempt. */
  readonly enrol: boolean;
  /** For the log: what happened, and whether a person must act. */
  readonly why: string;
  readonly level: 'info' | 'warn' | 'error';
}

type Request = 'connect' | 'enrol';

const BACKOFF_BASE_MS = 1_000;
const BACKOFF_CAP_MS = 60_000;
/** The delay grows when each gateway was tried, or this many of them. */
const MAX_REPEATS = 3;
/**
 * For ends that only a person or time can mend, such as a HELLO that the gateway does not understand.
 */
const STAY_AWAY_MS = 5 * 60_000;
/** The other session may be one of before, whose end its gateway has not noticed yet. */
const DUPLICATE_MS = 60_000;
/** A gateway that hangs is left for another one soon; one that is busy gets more time at each attempt. */
const OPEN_TIMEOUT_MS = 5_000;
const REVOKED_MS = 60 * 60_000;
/** A session that was held for this long resets the backoff. */
const STABLE_MS = 30_000;

/**
 * How long to wait before the next attempt. Three speeds: full-jitter backoff (1 s doubling to 60 s, the first delay
 * jittered too) for faults that pass by themselves; minutes for faults that a person must mend; an hour for revoked
 * agents. Every delay is random, so that a fleet that lost its gateway does not return all at once.
 */
export class ReconnectPolicy {
  readonly #random: () => number;
  readonly #backoff: Backoff;
  #enrolledSinceReady = false;
  /** Within which time to come back from the latest session, as its gateway said. */
  #spreadMs = 0;
  #isReturning = false;

  /** `gateways`: how many are tried in turn. */
  constructor(random: () => number, gateways = 1) {
    this.#random = random;
    this.#backoff = fullJitter({
      ...{ baseMs: BACKOFF_BASE_MS, capMs: BACKOFF_CAP_MS, random },
      repeats: Math.min(gateways, MAX_REPEATS),
    });
  }

  /**
   * How long the next attempt may wait for the first answer of a gateway. Where many return at the same time, it is busy:
   * attempts that are given up would only make it busier.
   */
  get openTimeoutMs(): number {
    return OPEN_TIMEOUT_MS * Math.max(1, this.#backoff.attempt) + this.#spreadMs;
  }

  /** A gateway that is killed can say nothing any more, so it says beforehand how far its agents spread when they come back. */
  sessionReady(returnSpreadMs = 0): void {
    this.#spreadMs = Math.min(returnSpreadMs, BACKOFF_CAP_MS);
    this.#isReturning = true;
  }

  /** A session ended that had been ready for this long. */
  sessionHeld(forMs: number): void {
    if (forMs < STABLE_MS) return;
    this.#backoff.reset();
    this.#enrolledSinceReady = false;
  }

  /**
   * `isOwnMove`: another connection of this agent may have superseded the session. `isPathFault`: something between
   * agent and gateway ended it, so its answer says nothing about this agent. `isMove`: the session that the attempt was to
   * replace goes on.
   */
  afterConnection(end: ConnectionEnd, { isOwnMove = false, isPathFault = false, isMove = false } = {}): Reconnect {
    switch (end.kind) {
      case 'failed':
        return this.#soon(`failed: ${end.error.message}`);
      case 'abandoned':
        return this.#soon(end.why);
      case 'refused':
        if (isMove && end.refusal.code === 'draining') return this.#elsewhere(end.refusal);
        return isPathFault
          ? this.#soon(describeRefusal(end.refusal, 'connect'), end.refusal.retryAfterMs)
          : this.afterRefusal(end.refusal, 'connect');
      case 'closed':
        return isOwnMove && end.code === CLOSE.superseded.code
          ? this.#soon('superseded by our own move')
          : this.#afterClose(end.code);
    }
  }

  /** After an HTTP error response to the upgrade or to an enrolment. */
  afterRefusal(refusal: Refusal, to: Request): Reconnect {
    const { status, code, retryAfterMs = 0 } = refusal;
    const why = describeRefusal(refusal, to);
    // Without a code, the answer is from something before the gateway, which knows nothing of this agent and may work again soon.
    if (code === undefined && to === 'connect') return this.#soon(why, retryAfterMs);
    if (status === 401 && to === 'connect') return this.#withNewToken(why);
    if (status === 403 && (code === 'revoked' || to === 'connect')) return this.#later(REVOKED_MS, why);
    // Our own request is wrong, or the gateway is of another version: asking often does not help.
    if ([400, 401, 403, 413, 415, 422, 426].includes(status))
      return this.#later(Math.max(STAY_AWAY_MS, retryAfterMs), why);
    return this.#soon(why, retryAfterMs);
  }

  /** After an enrolment that gave no token. */
  afterEnrolment(outcome: Exclude<EnrolOutcome, { kind: 'enrolled' }>): Reconnect {
    return outcome.kind === 'refused'
      ? this.afterRefusal(outcome.refusal, 'enrol')
      : this.#soon(`enrolment failed: ${outcome.error.message}`);
  }

  #afterClose(code: number): Reconnect {
    const name = closeReasonOf(code) ?? String(code);
    if (shouldReconnect(code)) return this.#soon(`closed: ${name}`);
    if (code === CLOSE.unauthenticated.code) return this.#withNewToken(`closed: ${name}`);
    if (code === CLOSE.revoked.code) return this.#later(REVOKED_MS, `closed: ${name}`);
    const waitMs = code === CLOSE.duplicateIdentity.code ? DUPLICATE_MS : STAY_AWAY_MS;
    return this.#later(waitMs, `closed: ${name}`);
  }

  /** A new token may help, once. If the gateway refuses that one too, enrolling again does not help. */
  #withNewToken(why: string): Reconnect {
    if (this.#enrolledSinceReady) return { ...this.#later(STAY_AWAY_MS, why), enrol: true };
    this.#enrolledSinceReady = true;
    return { ...this.#soon(why), enrol: true };
  }

  #soon(why: string, retryAfterMs = 0): Reconnect {
    // Agents that got the same `Retry-After` at the same time would return within the first second of the backoff:
    // spread them further.
    const spreadMs = Math.floor(this.#random() * retryAfterMs * 0.25);
    const delayMs = this.#backoff.next(retryAfterMs, this.#isReturning ? this.#spreadMs : 0) + spreadMs;
    this.#isReturning = false;
    return { delayMs, enrol: false, why, level: 'info' };
  }

  /**
   * A load balancer sent a move to a gateway that goes. The one that is to be left goes too, perhaps the same one, so the
   * delay does not grow: the drain bounds the number of attempts.
   */
  #elsewhere(refusal: Refusal): Reconnect {
    const { retryAfterMs = BACKOFF_BASE_MS } = refusal;
    const delayMs = retryAfterMs + Math.floor(this.#random() * BACKOFF_BASE_MS);
    return { delayMs, enrol: false, why: describeRefusal(refusal, 'connect'), level: 'info' };
  }

  #later(atLeastMs: number, why: string): Reconnect {
    return { delayMs: atLeastMs + Math.floor(this.#random() * atLeastMs * 0.5), enrol: false, why, level: 'error' };
  }
}

function describeRefusal({ status, code }: Refusal, to: Request): string {
  return `${to} refused: ${status}${code === undefined ? '' : ` ${code}`}`;
}
