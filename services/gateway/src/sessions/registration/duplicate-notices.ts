import type { AgentId, OrgId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';

const INTERVAL_MS = 60_000;
const MAX_AGENTS = 10_000;

/**
 * Which of the refusals of a second machine are worth telling: the first of an agent, then one a minute. A clone tries again and again, and each
 * of its attempts says the same.
 */
export class DuplicateNotices {
  readonly #clock: Clock;
  readonly #maxAgents: number;
  /** Monotonic; the longest ago first. */
  readonly #toldAtMs = new Map<string, number>();

  constructor({ clock, maxAgents = MAX_AGENTS }: { readonly clock: Clock; readonly maxAgents?: number }) {
    this.#clock = clock;
    this.#maxAgents = maxAgents;
  }

  /** Whether this one is to be told; the caller then tells it. Beyond `maxAgents` the oldest are forgotten, and may be told once more. */
  isDue(org: OrgId, agentId: AgentId): boolean {
    const key = `${org}/${agentId}`;
    const nowMs = this.#clock.monotonic();
    const toldAtMs = this.#toldAtMs.get(key);
    if (toldAtMs !== undefined && nowMs - toldAtMs < INTERVAL_MS) return false;
    this.#toldAtMs.delete(key);
    this.#toldAtMs.set(key, nowMs);
    for (const [oldest, atMs] of this.#toldAtMs) {
      if (this.#toldAtMs.size <= this.#maxAgents && nowMs - atMs < INTERVAL_MS) break;
      this.#toldAtMs.delete(oldest);
    }
    return true;
  }
}
