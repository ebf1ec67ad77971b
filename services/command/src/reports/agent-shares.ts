import type { AgentId } from '@muster/protocol';

/** Reports of one agent that may wait in one queue. Agents repeat what nobody kept, so more of them come later. */
const SHARE = 250;

/** How many places of a queue each agent has, so that none can fill it alone. */
export class AgentShares {
  readonly #taken = new Map<AgentId, number>();

  /** False when the agent has its share already. */
  take(agentId: AgentId): boolean {
    const taken = this.#taken.get(agentId) ?? 0;
    if (taken >= SHARE) return false;
    this.#taken.set(agentId, taken + 1);
    return true;
  }

  giveBack(agentId: AgentId): void {
    const taken = this.#taken.get(agentId) ?? 0;
    if (taken > 1) this.#taken.set(agentId, taken - 1);
    else this.#taken.delete(agentId);
  }
}
