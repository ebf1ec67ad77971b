import { CLOSE, closeReasonOf, shouldReconnect } from '@muster/protocol';
import { type Backoff, fullJitter } from '@muster/runtime/program';
import type { EnrolOutcome } from '../identity/enrol.js';
import type { ConnectionEnd } from '../contract/session-connection.js';
import type { Refusal } from '../network/http-refusal.js';

/** What to do after a connection, an upgrade or an enrolment ended without a session. */
export interface Comeback {
  readonly delayMs: number;
  /** The token is of no use: get another one before the next attempt. */
  readonly enrol: boolean;
  /** For the log: what happened, in a word, and whether a person must act. */
  readonly why: string;
  readonly level: 'info' | 'warn' | 'error';
}

type Purpose = 'connect' | 'enrol';

const BACKOFF_BASE_MS = 1_000;
const BACKOFF_CAP_MS = 60_000;
/** For ends that a retry cannot mend but time or a person may: another machine with our key, a hello that is not understood. */
const STAY_AWAY_MS = 5 * 60_000;
const REVOKED_MS = 60 * 60_000;
/** A session that held this long proves that the path works; shorter ones keep the backoff growing. */
const STABLE_MS = 30_000;

/**
 * When to come back. Three speeds: full-jitter backoff (1 s doubling to 60 s, the first delay jittered too) for what passes by itself;
 * minutes for what needs somebody to act; an hour for the revoked. Every delay is drawn at random, so that a fleet that
 * lost its gateway at one moment does not return at one moment.
 */
export class ReconnectPolicy {
  readonly #random: () => number;
  readonly #backoff: Backoff;
  #enrolledSinceReady = false;

  constructor(random: () => number) {
    this.#random = random;
    this.#backoff = fullJitter({ baseMs: BACKOFF_BASE_MS, capMs: BACKOFF_CAP_MS, random });
  }

  /** A session ended that had been ready for this long. */
  sessionHeld(forMs: number): void {
    if (forMs < STABLE_MS) return;
    this.#backoff.reset();
    this.#enrolledSinceReady = false;
  }

  /**
   * `ownDoing`: that the session was superseded may be the work of a connection of our own. `onTheWay`: something between us and the gateway is what
   * ended it, so that what it answered says nothing of us.
   */
  afterConnection(end: ConnectionEnd, { ownDoing = false, onTheWay = false } = {}): Comeback {
    switch (end.kind) {
      case 'failed':
        return this.#soon(`failed: ${end.error.message}`);
      case 'abandoned':
        return this.#soon(end.why);
      case 'refused':
        return onTheWay
          ? this.#soon(refusedWith(end.refusal, 'connect'), end.refusal.retryAfterMs)
          : this.afterRefusal(end.refusal, 'connect');
      case 'closed':
        return ownDoing && end.code === CLOSE.superseded.code
          ? this.#soon('superseded by our own move')
          : this.#afterClose(end.code);
    }
  }

  /** After an HTTP response that is no success, to the upgrade or to an enrolment. */
  afterRefusal(refusal: Refusal, to: Purpose): Comeback {
    const { status, code, retryAfterMs = 0 } = refusal;
    const why = refusedWith(refusal, to);
    // Something before the gateway, which knows nothing of this agent, and may be mended soon.
    if (code === undefined && to === 'connect') return this.#soon(why, retryAfterMs);
    if (status === 401 && to === 'connect') return this.#freshToken(why);
    if (status === 403 && (code === 'revoked' || to === 'connect')) return this.#later(REVOKED_MS, why);
    // Our own request is what is wrong (or what answers is no gateway of this version): nothing to gain from asking often.
    if ([400, 401, 403, 413, 415, 422, 426].includes(status))
      return this.#later(Math.max(STAY_AWAY_MS, retryAfterMs), why);
    return this.#soon(why, retryAfterMs);
  }

  /** After an enrolment that gave no token. */
  afterEnrolment(outcome: Exclude<EnrolOutcome, { kind: 'enrolled' }>): Comeback {
    return outcome.kind === 'refused'
      ? this.afterRefusal(outcome.refusal, 'enrol')
      : this.#soon(`enrolment failed: ${outcome.error.message}`);
  }

  #afterClose(code: number): Comeback {
    const name = closeReasonOf(code) ?? String(code);
    if (shouldReconnect(code)) return this.#soon(`closed: ${name}`);
    if (code === CLOSE.unauthenticated.code) return this.#freshToken(`closed: ${name}`);
    if (code === CLOSE.revoked.code) return this.#later(REVOKED_MS, `closed: ${name}`);
    return this.#later(STAY_AWAY_MS, `closed: ${name}`);
  }

  /** A new token may help, once; when the gateway refuses that one as well, something is wrong that enrolling cannot mend. */
  #freshToken(why: string): Comeback {
    if (this.#enrolledSinceReady) return { ...this.#later(STAY_AWAY_MS, why), enrol: true };
    this.#enrolledSinceReady = true;
    return { ...this.#soon(why), enrol: true };
  }

  #soon(why: string, retryAfterMs = 0): Comeback {
    // All who were told the same `Retry-After` at one moment would return within the backoff's first second: spread them further.
    const spreadMs = Math.floor(this.#random() * retryAfterMs * 0.25);
    return { delayMs: this.#backoff.next(retryAfterMs) + spreadMs, enrol: false, why, level: 'info' };
  }

  #later(atLeastMs: number, why: string): Comeback {
    return { delayMs: atLeastMs + Math.floor(this.#random() * atLeastMs * 0.5), enrol: false, why, level: 'error' };
  }
}

function refusedWith({ status, code }: Refusal, to: Purpose): string {
  return `${to} refused: ${status}${code === undefined ? '' : ` ${code}`}`;
}
