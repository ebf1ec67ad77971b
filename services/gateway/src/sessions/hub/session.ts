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
import type { Connection, SendResult } from '../../foundation/connection.js';
import type { Profile } from '../../foundation/profile.js';
import type { SessionState, SessionView } from '../../foundation/session-view.js';

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
  /** The request to connect proved the agent's key, ahead of the challenge. */
  readonly isProven?: true;
  /** Bytes that came so far. */
  bytes: number;
  /** Whether it sent pings before it was asked for a pong. */
  pings?: true;
  /** Shortly before the deadline it is asked for a pong. */
  life?: 'asked' | 'alive';
}

/** What admission control established about the peer. */
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
export class Session implements SessionView {
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly connection: Connection;
  readonly mode: SessionMode;
  readonly connectedAtMs: number;
  state: SessionState = 'challenged';
  challenge: Challenge | undefined;
  profile: Profile | undefined;
  host = '';
  /** The machine, in hex. */
  instance = '';
  /** Sweeps of the liveness monitor since something whole was heard. */
  quietSweeps = 0;
  /** Monotonic; when it is due a heartbeat. Absent where the agent takes none. */
  beatAtMs: number | undefined;
  /** The epoch of the session that this one takes the place of, as the agent says. */
  replaces: number | undefined;
  /** 0 until the session is registered. */
  epoch = 0;
  /** False while the registry has not confirmed the epoch: it was away when the session began. */
  confirmed = false;
  movedAtMs = Number.NEGATIVE_INFINITY;
  /** Monotonic; when the agent is asked to open its next session. */
  moveAtMs = Number.POSITIVE_INFINITY;

  constructor(context: HandshakeContext, connection: Connection, connectedAtMs: number) {
    this.org = context.org;
    this.agentId = context.agentId;
    this.num = context.num;
    this.mode = context.mode;
    this.challenge = context.challenge;
    this.connection = connection;
    this.connectedAtMs = connectedAtMs;
  }

  send(frame: Uint8Array): SendResult {
    return this.state === 'closed' ? 'closed' : this.connection.send(frame);
  }

  /** Tells the agent why, then closes with the reason's code. The transport reports the close once, now or later. */
  close(reason: CloseReason, detail: string = CLOSE[reason].meaning): void {
    if (this.state === 'closed') return;
    const body = encodeBody('error', { code: reason, message: detail.slice(0, 500) });
    this.connection.cork(() => {
      this.connection.send(encodeFrame(FRAME.error, 0, body));
      this.connection.close(CLOSE[reason].code, reason);
    });
  }
}
