import {
  type AgentId,
  type Budget,
  type GatewayId,
  type OrgId,
  type CoordinatorId,
  type QueryId,
  decodeCbor,
  encodeCborUnsorted,
} from '@muster/protocol';
import type { Failure, ResultForm } from '@muster/records';
import type { TrafficCounters } from './traffic-counters.js';

/**
 * What services say to each other over the bus. Trusted peers of one deployment and one version apart at most: decoding checks that
 * bytes are CBOR maps with a known `t`, not every member.
 */

/** Owner → gateways. `deadlineMs` and `nowMs` are the owner's clock: a gateway uses their difference, so clocks need not agree. */
export interface QueryStart {
  readonly t: 'query_start';
  readonly id: QueryId;
  readonly org: OrgId;
  readonly owner: CoordinatorId;
  readonly sql: string;
  readonly columns: readonly string[];
  readonly selector: string;
  readonly mode: ResultForm;
  readonly nowMs: number;
  readonly deadlineMs: number;
  readonly budget: Budget;
}

export type StopReason = 'complete' | 'cancelled' | 'deadline' | 'interrupted' | 'limit';

/** Owner → gateways: forget the query; agents stop working on it. */
export interface QueryStop {
  readonly t: 'query_stop';
  readonly id: QueryId;
  readonly reason: StopReason;
}

/** Gateway → owner: these of my sessions are asked. The first one (`joined` false) is sent even when it is empty. */
export interface TargetedUpdate {
  readonly t: 'targeted';
  readonly query: QueryId;
  readonly gateway: GatewayId;
  readonly seq: number;
  readonly joined: boolean;
  /** A number set. */
  readonly targets: Uint8Array;
  /**
   * A number set, in the first report only: asked from the start too, but they came from another gateway a moment ago, which the broadcast may
   * have reached while they were still there. They count as joined. In the same message, because a gateway that has reported is not waited for.
   */
  readonly moved?: Uint8Array;
  /** Those of both who poll: they hear of the query when they next come. */
  readonly polls?: {
    /** A number set. */
    readonly nums: Uint8Array;
    /** When the last of them is due, from now. */
    readonly withinMs: number;
  };
}

/**
 * Gateway → owner: what came since the last report. `seq` counts all reports of this gateway for this query from 0. When `more` is true the
 * following report belongs to the same partial; the owner applies them together or not at all.
 */
export interface PartialUpdate {
  readonly t: 'partial';
  readonly query: QueryId;
  readonly gateway: GatewayId;
  readonly seq: number;
  readonly more: boolean;
  /** Nothing follows: every session this gateway asked has an outcome. A later join may still follow. */
  readonly settled: boolean;
  /** Number sets of who answered inside `groups` (only in group mode; answers in `answers` settle themselves). */
  readonly answered: Uint8Array;
  readonly empty: Uint8Array;
  readonly failures: readonly Failure[];
  /** Answer block: in raw mode all answers, in group mode those of sessions that joined late. */
  readonly answers: Uint8Array;
  /** Group block (index 0), only in group mode. */
  readonly groups: Uint8Array;
}

export type GatewayUpdate = TargetedUpdate | PartialUpdate;

/** Gateway → everyone. `leaseMs` is what is left of its lease. */
export interface GatewayHeartbeat {
  readonly t: 'gateway_beat';
  readonly gateway: GatewayId;
  readonly sessions: number;
  readonly draining: boolean;
  readonly nowMs: number;
}

/** Owner → everyone: I live and these run. Gateways that missed the start begin then; other owners count for admission and adopt orphans. */
export interface CoordinatorHeartbeat {
  readonly t: 'owner_beat';
  readonly owner: CoordinatorId;
  readonly queries: readonly QueryStart[];
  readonly operators: readonly { readonly query: QueryId; readonly org: OrgId; readonly operator: string }[];
  readonly stopping: boolean;
}

/** A poll within a session, as it came over HTTPS. Without `seq` and `batch` it only asks what waits. */
export interface PollRequest {
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
  /** `upTo` is the number of the last frame in the batch; the one that the agent has when nothing waits. */
  | {
      readonly kind: 'frames';
      readonly upTo: number;
      readonly batch: Uint8Array;
      /** Absent: after the session's interval. */
      readonly comeBackMs?: number;
    }
  /** It is over, with the code that a WebSocket would have been closed with. */
  | { readonly kind: 'ended'; readonly code: number; readonly reason: string }
  | { readonly kind: 'unknown' };

/** Requests to one gateway. */
export type GatewayRequest =
  | { readonly t: 'ping' }
  /** A newer session of this agent lives elsewhere: close yours if its epoch is older. */
  | { readonly t: 'superseded'; readonly agentId: AgentId; readonly epoch: number }
  /** Is a session of this agent alive on you right now? */
  | { readonly t: 'holds'; readonly agentId: AgentId; readonly epoch: number }
  /** A poll that came to another gateway than the one that holds its session. */
  | ({ readonly t: 'poll' } & PollRequest)
  /** What was counted on the wire? */
  | { readonly t: 'traffic' };

export type GatewayReply =
  | { readonly t: 'ok' }
  | { readonly t: 'holds'; readonly alive: boolean }
  | ({ readonly t: 'polled' } & PollReply)
  | TrafficCounters
  | { readonly t: 'fault'; readonly message: string };

export type BusMessage =
  QueryStart | QueryStop | GatewayUpdate | GatewayHeartbeat | CoordinatorHeartbeat | GatewayRequest | GatewayReply;

export function encodeBusMessage(message: BusMessage): Uint8Array {
  return encodeCborUnsorted(message);
}

/** The message, or `undefined` when the bytes are none; the caller counts and drops those. */
export function decodeBusMessage<T extends { readonly t: string }>(
  bytes: Uint8Array,
  ...kinds: readonly T['t'][]
): T | undefined {
  try {
    const value = decodeCbor(bytes) as T | null;
    if (typeof value !== 'object' || value === null || !kinds.includes(value.t)) return undefined;
    return value;
  } catch {
    return undefined;
  }
}
