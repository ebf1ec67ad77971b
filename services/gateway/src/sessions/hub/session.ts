import {
  CLOSE,
  encodeBody,
  encodeFrame,
  FRAME,
  type AgentId,
  type CloseReason,
  type OrgId,
  type SessionMode,
} from '@muster/protocol';
import type { Connection, SendResult } from '../../edge/transport/transport.js';
import type { DesiredMode } from '../../capabilities/modes/desired-mode.js';
import type { Profile } from '../../foundation/profile.js';

/**
 *     challenged ──hello──▶ claiming ──epoch──▶ ready
 *          │                   │                  │
 *          └───────────────────┴──────────────────┴──▶ closed
 */
export type SessionState = 'challenged' | 'claiming' | 'ready' | 'closed';

/** What the hello is checked against; dropped once it was. */
export interface Challenge {
  readonly nonce: Uint8Array;
  readonly token: string;
  readonly publicKey: string;
  readonly factsDigest: string;
  readonly tokenIssuedAtMs: number;
  readonly tokenExpiresAtMs: number;
  /** Monotonic. */
  readonly deadlineMs: number;
  bytes: number;
  /** Whether it sent pings before it was asked for a pong. */
  pings?: true;
  /** Shortly before the deadline it is asked for a pong. */
  life?: 'asked' | 'alive';
}

/** What the upgrade established about the peer. */
export interface HandshakeContext {
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly mode: SessionMode;
  readonly challenge: Challenge;
}

/**
 * One agent's presence on this gateway. There are tens of thousands of these: keep it small, share what can be shared, and keep
 * timers out of it.
 */
export class Session {
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly connection: Connection;
  /** How it talks. */
  readonly mode: SessionMode;
  readonly connectedAtMs: number;
  state: SessionState = 'challenged';
  challenge: Challenge | undefined;
  profile: Profile | undefined;
  host = '';
  /** The machine, in hex. */
  instance = '';
  /** Sweeps of the vigil since something whole was heard. */
  quietSweeps = 0;
  /** The epoch of the session that this one takes the place of, as the agent says. */
  replaces: number | undefined;
  /** 0 until the registry gave one. */
  epoch = 0;
  /** False while the registry has not confirmed the epoch: it was away when the session began. */
  claimed = false;
  /** Monotonic; when the agent came here from another gateway, as far as is known. Its answer to a running query may be there already. */
  movedAtMs = Number.NEGATIVE_INFINITY;
  /** Monotonic; when the session is asked to move. */
  rotateAtMs = 0;
  /** Which channel the agent was told to use; shared between sessions. Absent for agents that did not say that they can change it. */
  told: DesiredMode | undefined;

  constructor(ticket: HandshakeContext, connection: Connection, connectedAtMs: number) {
    this.org = ticket.org;
    this.agentId = ticket.agentId;
    this.num = ticket.num;
    this.mode = ticket.mode;
    this.challenge = ticket.challenge;
    this.connection = connection;
    this.connectedAtMs = connectedAtMs;
  }

  send(frame: Uint8Array): SendResult {
    return this.state === 'closed' ? 'closed' : this.connection.send(frame);
  }

  /** Tells the agent why, then closes with the reason's code. Leads to the transport's `closed`, once. */
  close(reason: CloseReason, detail: string = CLOSE[reason].meaning): void {
    if (this.state === 'closed') return;
    const body = encodeBody('error', { code: reason, message: detail.slice(0, 500) });
    this.connection.cork(() => {
      this.connection.send(encodeFrame(FRAME.error, 0, body));
      this.connection.close(CLOSE[reason].code, reason);
    });
  }
}
