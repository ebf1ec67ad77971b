import type { Clock } from '@muster/runtime';
import { ExpiringCache } from '../../foundation/expiring-cache.js';

export interface SessionEnd {
  readonly code: number;
  readonly reason: string;
}

const KEPT_MS = 600_000;
const MAX_KEPT = 20_000;

/**
 * How poll sessions ended, by the hash of their names, as long as their agents may not know. What is forgotten is
 * answered like a session that nobody knows.
 */
export class EndedSessions {
  readonly #ends: ExpiringCache<SessionEnd>;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#ends = new ExpiringCache(clock, { max: MAX_KEPT, ttlMs: KEPT_MS });
  }

  note(session: string, { code, reason }: SessionEnd): void {
    this.#ends.set(session, { code, reason });
  }

  of(session: string): SessionEnd | undefined {
    return this.#ends.peek(session);
  }
}
