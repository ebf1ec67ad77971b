import type { AgentId } from '@muster/protocol';
import { addressBlock } from '@muster/runtime';
import type { Session } from './session.js';

/** How many connections of one agent from one address may wait for their hello at once: one that moves needs two. */
const MAX_PER_ADDRESS = 16;
/** From all addresses together. */
const MAX_PER_AGENT = 48;

/**
 * Connections without an accepted hello, oldest first. A token alone is enough to open these, so each agent may have
 * few: what unproven peers make the transport buffer (up to a frame each) is bounded by the tokens they have. Whoever
 * has a token without its key must not keep its owner out, so the newest is never refused: it takes the place of the
 * oldest from the address that has most.
 */
export class PendingHandshakes {
  readonly #sessions = new Set<Session>();
  readonly #perAgent = new Map<AgentId, Session[]>();

  add(session: Session): void {
    this.#sessions.add(session);
    const known = this.#perAgent.get(session.agentId);
    if (known === undefined) this.#perAgent.set(session.agentId, [session]);
    else known.push(session);
  }

  /** The connection that has to end because of this one, which was just added. */
  displacedBy(session: Session): Session | undefined {
    const sessions = this.of(session.agentId);
    if (sessions.length <= MAX_PER_ADDRESS) return undefined;
    const counts = new Map<string, number>();
    for (const each of sessions) counts.set(blockOf(each), (counts.get(blockOf(each)) ?? 0) + 1);
    const own = blockOf(session);
    if ((counts.get(own) ?? 0) > MAX_PER_ADDRESS) return sessions.find((each) => blockOf(each) === own);
    if (sessions.length <= MAX_PER_AGENT) return undefined;
    const most = Math.max(...counts.values());
    return sessions.find((each) => counts.get(blockOf(each)) === most);
  }

  /** Those of one agent, oldest first. */
  of(agentId: AgentId): readonly Session[] {
    return this.#perAgent.get(agentId) ?? [];
  }

  /** The oldest of all. */
  oldest(): Session | undefined {
    for (const session of this.#sessions) return session;
    return undefined;
  }

  /** The session has proven itself or is gone. Any number of calls count once. */
  delete(session: Session): void {
    if (!this.#sessions.delete(session)) return;
    const left = (this.#perAgent.get(session.agentId) ?? []).filter((each) => each !== session);
    if (left.length > 0) this.#perAgent.set(session.agentId, left);
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

/** Those that proved their key with their request count apart from who only has the token, also at the same address. */
const blockOf = ({ challenge, connection }: Session): string =>
  challenge?.isProven === true ? 'proven' : addressBlock(connection.address);
