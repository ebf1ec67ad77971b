import type { AgentId } from '@muster/protocol';
import type { Session } from './session.js';

/** How many connections of one agent may wait for their hello at once: one that moves needs two. */
const MAX_PER_AGENT = 3;

/**
 * Connections without an accepted hello, oldest first. A token alone is enough to open these, so each agent may have few: what unproven
 * peers make the transport buffer (up to a frame each) is bounded by the tokens they have.
 */
export class PendingHandshakes {
  readonly #sessions = new Set<Session>();
  readonly #perAgent = new Map<AgentId, number>();

  /** Whether one more connection of this agent may wait for its hello. */
  hasRoomFor(agentId: AgentId): boolean {
    return (this.#perAgent.get(agentId) ?? 0) < MAX_PER_AGENT;
  }

  add(session: Session): void {
    this.#sessions.add(session);
    this.#perAgent.set(session.agentId, (this.#perAgent.get(session.agentId) ?? 0) + 1);
  }

  /** The session has proven itself or is gone. Any number of calls count once. */
  delete(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    const left = (this.#perAgent.get(session.agentId) ?? 1) - 1;
    if (left > 0) this.#perAgent.set(session.agentId, left);
    else this.#perAgent.delete(session.agentId);
  }

  /** Those whose deadline has passed (monotonic time). */
  *overdue(nowMs: number): Generator<Session> {
    for (const session of this.#sessions) {
      if (session.challenge !== undefined && session.challenge.deadlineMs > nowMs) return;
      yield session;
    }
  }
}
