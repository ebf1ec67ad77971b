/** From when to when an endpoint had a session that was ready, in milliseconds since 1970. `toMs` is absent while it has. */
export interface PresenceInterval {
  readonly agentId: string;
  readonly fromMs: number;
  readonly toMs?: number;
}

/**
 * When each endpoint of a fleet had a session, recorded by the endpoint itself. A move from one session to another without a gap is no end.
 * An endpoint whose gateway hangs counts as connected until it gives the session up.
 */
export class Presence {
  readonly #ended: PresenceInterval[] = [];
  readonly #since = new Map<string, number>();

  connected(agentId: string): void {
    if (!this.#since.has(agentId)) this.#since.set(agentId, Date.now());
  }

  gone(agentId: string): void {
    const fromMs = this.#since.get(agentId);
    if (fromMs === undefined) return;
    this.#since.delete(agentId);
    this.#ended.push({ agentId, fromMs, toMs: Date.now() });
  }

  /**
   * This process stood still: nobody knows who was connected meanwhile, and who is counts from now. A gateway may have ended sessions whose
   * endpoints could not hear it.
   */
  stoodStill(fromMs: number): void {
    const toMs = Date.now();
    for (const [agentId, since] of this.#since) {
      if (since < fromMs) this.#ended.push({ agentId, fromMs: since, toMs: fromMs });
      this.#since.set(agentId, toMs);
    }
  }

  /** How many are connected now. */
  get count(): number {
    return this.#since.size;
  }

  /** All intervals so far, those that have ended first. */
  get all(): readonly PresenceInterval[] {
    return [...this.#ended, ...[...this.#since].map(([agentId, fromMs]) => ({ agentId, fromMs }))];
  }
}
