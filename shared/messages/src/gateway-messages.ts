import type { AgentId, GatewayId, Labels, OrgId } from '@muster/protocol';
import type { TrafficCounters } from './traffic-counters.js';

/** Gateway → everyone: every 1.5 s, and soon after sessions began or ended. */
export interface GatewayHeartbeat {
  readonly t: 'gateway_beat';
  readonly gateway: GatewayId;
  readonly sessions: number;
  readonly draining: boolean;
  readonly nowMs: number;
  /** The last heartbeat of a gateway that stops in order: its sessions have ended, and nobody has to wait for it. */
  readonly stopped?: true;
  /** Numbers the heartbeats of this gateway, under this id, from 0. Whoever misses one asks with `send_held`. */
  readonly beat?: number;
  /** Whom it holds. Absent when nothing has changed since the heartbeat before. */
  readonly held?: HeldSessions;
}

/** Agent numbers, as number sets. An agent is in one of them at most. */
export interface HeldSessions {
  /** All that the gateway holds. Otherwise it is what has changed since the heartbeat before. */
  readonly whole: boolean;
  readonly live: Uint8Array;
  readonly poll: Uint8Array;
  /** They have no session here any more. */
  readonly ended: Uint8Array;
}

/** A poll of an open session, as it came over HTTPS. Without `seq` and `batch` it only fetches what waits. */
export interface PollRequest {
  /** SHA-256 of the session's name, base64url. Gateways of the version before give and want the name. */
  readonly session: string;
  /** The number of the last frame that the agent has, `0` for none. */
  readonly have: number;
  /** Numbers the requests that carry frames, from 1. */
  readonly seq?: number;
  readonly batch?: Uint8Array;
  /** The agent ends the session. */
  readonly end?: true;
}

export type PollReply =
  /** `upTo` is the number of the last frame in the batch, or of the last one that the agent has when nothing waits. */
  | {
      readonly kind: 'frames';
      readonly upTo: number;
      readonly batch: Uint8Array;
      /** Time until the next poll. Absent: the session's interval. */
      readonly comeBackMs?: number;
    }
  /** The session is over, with the code that a WebSocket would have been closed with. */
  | { readonly kind: 'ended'; readonly code: number; readonly reason: string }
  /** `byHash`: the gateway looks sessions up by the hash of their names. Absent: it is of the version before. */
  | { readonly kind: 'unknown'; readonly byHash?: true };

export type GatewayRequest =
  | { readonly t: 'ping' }
  /** The next heartbeat is to say all that the gateway holds. */
  | { readonly t: 'send_held' }
  /**
   * Another gateway holds a newer session of this agent: close the one here if its epoch is older. `isOver`: that session ended before it
   * began, so the agent is to come back.
   */
  | { readonly t: 'superseded'; readonly agentId: AgentId; readonly epoch: number; readonly isOver?: true }
  /** Is a session of this agent alive on this gateway right now? */
  | { readonly t: 'holds'; readonly agentId: AgentId; readonly epoch: number }
  /** A poll that reached another gateway than the one that holds its session. */
  | ({ readonly t: 'poll' } & PollRequest)
  | { readonly t: 'traffic' }
  /** What it is, and with which secrets endpoints of an org may enrol here. */
  | { readonly t: 'about'; readonly org: OrgId };

/** What a gateway says of itself. */
export interface GatewayAbout {
  readonly t: 'about';
  readonly version: string;
  /** Of the org that was asked for; never their texts. */
  readonly secrets: readonly EnrolmentSecretBounds[];
}

/** An enrolment secret, by the name under which its identities are kept. */
export interface EnrolmentSecretBounds {
  readonly name: string;
  readonly expiresAtMs?: number;
  readonly maxIdentities?: number;
  readonly perMinute?: number;
  readonly labels?: Labels;
}

export type GatewayReply =
  | { readonly t: 'ok' }
  | { readonly t: 'holds'; readonly alive: boolean }
  | ({ readonly t: 'polled' } & PollReply)
  | TrafficCounters
  | GatewayAbout
  | { readonly t: 'fault'; readonly message: string };
