import type { Clock } from '@muster/runtime';

export interface SessionEnd {
  readonly code: number;
  readonly reason: string;
}

const KEPT_MS = 600_000;
const MAX_KEPT = 20_000;

/** How poll sessions ended whose agents have perhaps not heard of it. What is forgotten is answered like a session that nobody knows. */
export class EndedSessions {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** The oldest first. */
  readonly #ends = new Map<string, SessionEnd & { readonly atMs: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  note(name: string, end: SessionEnd): void {
    this.#ends.set(name, { ...end, atMs: this.#clock.monotonic() });
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined && this.#ends.size > MAX_KEPT) this.#ends.delete(oldest);
  }

  of(name: string): SessionEnd | undefined {
    const end = this.#ends.get(name);
    return end === undefined ? undefined : { code: end.code, reason: end.reason };
  }

  sweep(): void {
    const beforeMs = this.#clock.monotonic() - KEPT_MS;
    for (const [name, { atMs }] of this.#ends) {
      if (atMs > beforeMs) return;
      this.#ends.delete(name);
    }
  }
}
