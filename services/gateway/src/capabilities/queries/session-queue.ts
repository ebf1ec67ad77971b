import type { SessionView } from '../../foundation/session-view.js';

/** Sessions in the order in which they came, each endpoint once, and those that are due later. */
export class SessionQueue {
  #now = new Map<number, SessionView>();
  readonly #later = new Map<number, { readonly session: SessionView; readonly atMs: number }>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  get size(): number {
    return this.#now.size + this.#later.size;
  }

  /** A newer session of the same endpoint takes the place of the older one. */
  add(session: SessionView): void {
    this.#later.delete(session.num);
    this.#now.set(session.num, session);
  }

  /** `atMs` is monotonic. */
  addLater(session: SessionView, atMs: number): void {
    if (!this.#now.has(session.num)) this.#later.set(session.num, { session, atMs });
  }

  /** Removes and returns the next one. */
  takeDue(nowMs: number): SessionView | undefined {
    if (nowMs > this.#lookedAtMs) this.#becomeDue(nowMs);
    const [first] = this.#now;
    if (first === undefined) return undefined;
    this.#now.delete(first[0]);
    return first[1];
  }

  clear(): void {
    this.#now.clear();
    this.#later.clear();
  }

  #becomeDue(nowMs: number): void {
    this.#lookedAtMs = nowMs;
    for (const [num, { session, atMs }] of this.#later) {
      if (atMs > nowMs) continue;
      this.#later.delete(num);
      this.#now.set(num, session);
    }
  }
}
