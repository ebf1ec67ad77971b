/** From when to when an endpoint had a session that was ready, in milliseconds since 1970. `toMs` is absent while it has. */
export interface PresenceInterval {
  readonly agentId: string;
  readonly fromMs: number;
  readonly toMs?: number;
}

/** After so long without a beat this process stood still, or had more to do than it gets to do. */
const STOOD_STILL_MS = 1_000;

/**
 * When each endpoint of a fleet had a session, recorded by the endpoint itself. A move from one session to another without a gap is no end.
 * An endpoint whose gateway hangs counts as connected until it gives the session up.
 *
 * Of the time in which this process stood still nothing is known: a gateway may have ended sessions whose endpoints could not hear it.
 */
export class Presence {
  readonly #ended: PresenceInterval[] = [];
  readonly #since = new Map<string, number>();
  #beatMs = Date.now();

  connected(agentId: string): void {
    if (!this.#since.has(agentId)) this.#since.set(agentId, Date.now());
  }

  gone(agentId: string): void {
    const fromMs = this.#since.get(agentId);
    if (fromMs === undefined) return;
    this.#since.delete(agentId);
    this.#end(agentId, fromMs, this.#knownUntil(Date.now()));
  }

  /** This process runs: to be called four times a second. When it stood still, who is connected counts from now. */
  beat(): void {
    const nowMs = Date.now();
    const knownMs = this.#knownUntil(nowMs);
    this.#beatMs = nowMs;
    if (knownMs === nowMs) return;
    for (const [agentId, since] of this.#since) {
      this.#end(agentId, since, knownMs);
      this.#since.set(agentId, nowMs);
    }
  }

  /** How many are connected now. */
  get count(): number {
    return this.#since.size;
  }

  /** All intervals so far, those that have ended first. */
  get all(): readonly PresenceInterval[] {
    const nowMs = Date.now();
    const knownMs = this.#knownUntil(nowMs);
    const end = knownMs === nowMs ? {} : { toMs: knownMs };
    return [...this.#ended, ...[...this.#since].map(([agentId, fromMs]) => ({ agentId, fromMs, ...end }))];
  }

  /** Until when it is known who is connected. What is read after a long time without a beat may have waited as long. */
  #knownUntil(nowMs: number): number {
    return nowMs - this.#beatMs > STOOD_STILL_MS ? this.#beatMs : nowMs;
  }

  #end(agentId: string, fromMs: number, toMs: number): void {
    if (fromMs < toMs) this.#ended.push({ agentId, fromMs, toMs });
  }
}
