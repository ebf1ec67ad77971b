import type { AgentId, OrgId, Selector, SessionMode } from '@muster/protocol';
import type { Connection, SendResult } from './connection.js';
import type { Profile } from './profile.js';

/**
 *     challenged ──hello──▶ registering ──epoch──▶ ready
 *          │                     │                   │
 *          └─────────────────────┴───────────────────┴──▶ closed
 */
export type SessionState = 'challenged' | 'registering' | 'ready' | 'closed';

/** What a capability may see of a session. */
export interface SessionView {
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  /** The channel of the session. */
  readonly mode: SessionMode;
  readonly host: string;
  readonly profile: Profile | undefined;
  readonly state: SessionState;
  /** 0 until the session is registered. */
  readonly epoch: number;
  /** False while the registry does not know the session. */
  readonly confirmed: boolean;
  /** Monotonic; when the agent came here from another gateway. It may have answered a running query there already. */
  readonly movedAtMs: number;
  readonly connection: Pick<Connection, 'dueMs' | 'intervalMs' | 'expectPolls'>;
  send(frame: Uint8Array): SendResult;
}

/** Finds out whether the agent of a session that has ended has a newer one. */
export interface SuccessorView {
  /** `undefined`: it is not known. Never rejects, and takes a second at most. */
  hasSuccessor(session: SessionView): Promise<boolean | undefined>;
}

/** What a capability may see of the hub: the ready sessions of this gateway. */
export interface HubView {
  readonly size: number;
  get(agentId: AgentId): SessionView | undefined;
  sessions(): Iterable<SessionView>;
  /** The ready sessions of an org that a selector selects. */
  select(org: OrgId, selector: Selector): SessionView[];
  /** Whether a selector selects one session. */
  matches(session: SessionView, selector: Selector): boolean;
}
