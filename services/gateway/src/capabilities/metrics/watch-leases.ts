import { WATCH_LEASE_MS, type WatchRenewal } from '@muster/messages';
import type { AgentId } from '@muster/protocol';

/** API processes, and endpoints that one of them may name: far more than a deployment has viewers. */
const MAX_PROCESSES = 1_000;
const MAX_AGENTS = 5_000;

interface Lease {
  readonly agents: ReadonlySet<AgentId>;
  readonly untilMs: number;
}

/** Who watches what: the newest list of each API process, for as long as it was not renewed. Also of endpoints that are not here. */
export class WatchLeases {
  readonly #byProcess = new Map<string, Lease>();
  /** How many processes watch each endpoint. */
  readonly #watchers = new Map<AgentId, number>();

  has(agentId: AgentId): boolean {
    return this.#watchers.has(agentId);
  }

  holds(api: string, agentId: AgentId): boolean {
    return this.#byProcess.get(api)?.agents.has(agentId) === true;
  }

  /** All endpoints that somebody watches. */
  agents(): Iterable<AgentId> {
    return this.#watchers.keys();
  }

  /** When the next lease ends, monotonic; `undefined` when there is none. */
  get endsMs(): number | undefined {
    let endsMs: number | undefined;
    for (const { untilMs } of this.#byProcess.values()) endsMs = Math.min(endsMs ?? untilMs, untilMs);
    return endsMs;
  }

  /** Takes the list of a process in place of its last one. Returns how many endpoints were too many to take. */
  renew({ api, agents }: Pick<WatchRenewal, 'api' | 'agents'>, nowMs: number): number {
    if (!this.#byProcess.has(api) && this.#byProcess.size >= MAX_PROCESSES) return agents.length;
    const taken = new Set(agents.slice(0, MAX_AGENTS));
    // First the new list, so that an endpoint that is in both is watched throughout.
    for (const agentId of taken) this.#watchers.set(agentId, (this.#watchers.get(agentId) ?? 0) + 1);
    this.#end(api);
    if (taken.size > 0) this.#byProcess.set(api, { agents: taken, untilMs: nowMs + WATCH_LEASE_MS });
    return Math.max(0, agents.length - MAX_AGENTS);
  }

  /** Ends the leases that were not renewed. */
  expire(nowMs: number): void {
    for (const [api, { untilMs }] of this.#byProcess) if (untilMs <= nowMs) this.#end(api);
  }

  clear(): void {
    this.#byProcess.clear();
    this.#watchers.clear();
  }

  #end(api: string): void {
    for (const agentId of this.#byProcess.get(api)?.agents ?? []) {
      const left = (this.#watchers.get(agentId) ?? 0) - 1;
      if (left > 0) this.#watchers.set(agentId, left);
      else this.#watchers.delete(agentId);
    }
    this.#byProcess.delete(api);
  }
}
