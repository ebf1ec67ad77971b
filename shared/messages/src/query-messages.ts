import type { Budget, CoordinatorId, GatewayId, OrgId, QueryId, SqlParameter } from '@muster/protocol';
import type { AnswerWarning, Failure, PackReference, ResultForm, Working } from '@muster/records';
import type { Traced } from './traced.js';

/** What the coordinator of a query and the gateways say to each other. */

/**
 * Coordinator → gateways. `deadlineMs` and `nowMs` are on the coordinator's clock: a gateway uses their difference, so the two clocks
 * need not agree.
 */
export interface QueryStart extends Traced {
  readonly t: 'query_start';
  readonly id: QueryId;
  readonly org: OrgId;
  readonly owner: CoordinatorId;
  readonly sql: string;
  readonly columns: readonly string[];
  /** Values for the `:name` of the statement. A gateway that does not know them asks agents that refuse the statement without them. */
  readonly parameters?: readonly SqlParameter[];
  /** Its checks run in place of `sql`. A gateway that does not know it asks agents, which refuse `sql`: it is no SQL. */
  readonly pack?: PackReference;
  readonly selector: string;
  /** A number set: only these endpoints, in place of what `selector` requires of `health`. */
  readonly among?: Uint8Array;
  readonly mode: ResultForm;
  readonly nowMs: number;
  readonly deadlineMs: number;
  readonly budget: Budget;
}

/**
 * Coordinator → gateways, and its reply to {@link HuntTermsRequest}: a hunt is open until `deadlineMs`. Whoever is selected and not settled
 * is asked when it connects, and every answer names its endpoint.
 */
export interface HuntStart extends Omit<QueryStart, 't'> {
  readonly t: 'hunt_start';
  /** How long one endpoint may take. */
  readonly askMs: number;
  /** Agents with a higher number enrolled later and are not asked. */
  readonly through?: number;
  /** A number set: they have answered, or said why they do not. */
  readonly settled: Uint8Array;
  /** Rises when reports of gateways were lost: they start over with `settled`. */
  readonly revision: number;
}

/** Gateway → coordinator of a hunt, request and reply: it has missed its start, or the coordinator is another one. */
export interface HuntTermsRequest {
  readonly t: 'hunt_terms';
  readonly id: QueryId;
}

/** The hunt is not this coordinator's, or has ended. */
export interface HuntUnknown {
  readonly t: 'hunt_unknown';
}

export type StopReason = 'complete' | 'cancelled' | 'deadline' | 'interrupted' | 'limit';

/** Coordinator → gateways: forget the query; agents stop working on it. */
export interface QueryStop {
  readonly t: 'query_stop';
  readonly id: QueryId;
  readonly reason: StopReason;
}

/** Gateway → coordinator: the sessions that were sent the query. The first one (`joined` is false) is sent even when it is empty. */
export interface TargetedUpdate {
  readonly t: 'targeted';
  readonly query: QueryId;
  readonly gateway: GatewayId;
  readonly seq: number;
  readonly joined: boolean;
  /** Of a hunt: the gateway begins, or begins anew. What it was waiting for before is void. */
  readonly begins?: true;
  /** A number set of agent numbers. */
  readonly targets: Uint8Array;
  /**
   * A number set, only in the first update: agents that moved here from another gateway a moment ago. The broadcast may have reached
   * that gateway while they were still there. They count as joined. They travel in the first update because the coordinator waits for
   * no more than that.
   */
  readonly moved?: Uint8Array;
  /** The poll sessions among `targets` and `moved`: they get the query with their next poll. */
  readonly polls?: {
    /** A number set. */
    readonly nums: Uint8Array;
    /** Time until the last of them is due. */
    readonly withinMs: number;
  };
}

/**
 * The code of a `disconnected` failure whose endpoint has a newer session, or may have one: another gateway asks it again. The coordinator
 * goes on waiting for it for a while. To one that does not know the code it is a disconnected endpoint that may come back.
 */
export const MOVED_CODE = 'moved';

/**
 * Gateway → coordinator: what came since the last update. `seq` counts all updates of this gateway for this query from 0. When `more`
 * is true, the next update belongs to the same partial; the coordinator applies them together or not at all.
 */
export interface PartialUpdate {
  readonly t: 'partial';
  readonly query: QueryId;
  readonly gateway: GatewayId;
  readonly seq: number;
  readonly more: boolean;
  /** Every session that this gateway asked has an outcome. An agent that joins later may still follow. */
  readonly settled: boolean;
  /** Number sets of those who answered inside `groups` (group form only; answers in `answers` carry their numbers themselves). */
  readonly answered: Uint8Array;
  readonly empty: Uint8Array;
  readonly failures: readonly Failure[];
  /** What answers lack, by the word of their endpoints. */
  readonly warnings?: readonly AnswerWarning[];
  /** Those of its waiting endpoints that say how far they are, as of now. Absent: nobody has said so yet. */
  readonly working?: Working;
  /** An answer block: all answers in raw form; in group form those of sessions that joined late. */
  readonly answers: Uint8Array;
  /** A group block (each index is 0), group form only. */
  readonly groups: Uint8Array;
}

export type GatewayUpdate = TargetedUpdate | PartialUpdate;

/**
 * Coordinator → everyone, every second: it is alive, and these queries run. A gateway that missed a start begins then; other
 * coordinators count the queries for admission and adopt them when the heartbeats stop.
 */
export interface CoordinatorHeartbeat {
  readonly t: 'owner_beat';
  readonly owner: CoordinatorId;
  readonly queries: readonly QueryStart[];
  readonly operators: readonly { readonly query: QueryId; readonly org: OrgId; readonly operator: string }[];
  /** Its hunts by id and revision; gateways ask for the terms of those that they do not know. */
  readonly hunts?: readonly (readonly [id: QueryId, revision: number])[];
  readonly stopping: boolean;
  /** Its clock, for the terms of requests to it. Absent: it takes requests from the queue group alone. */
  readonly nowMs?: number;
  /** Of the program; absent in versions that did not say. */
  readonly version?: string;
}
