import {
  type Binding,
  type CommandId,
  type CommandState,
  type OrgId,
  type Params,
  decodeCbor,
  encodeCborUnsorted,
} from '@muster/protocol';
import type { Role } from './operator-records.js';
import { decodeNumberSet } from './number-set.js';

/**
 * The journal: one subject per command, read in the order of the stream. The first entry is `submitted`. `CommandFold` alone makes the
 * state of a command from its entries, so every service and every API process sees the same.
 */
export type JournalEntry = SubmittedEntry | SignedEntry | ReleasedEntry | StatesEntry | CancelEntry;

export interface Person {
  readonly id: string;
  readonly name: string;
  /**
   * Who stands behind the credential, and where its line of makers begins, as `@muster/identity` names them. Absent in entries from before
   * they were kept.
   */
  readonly person?: string;
  readonly origin?: string;
}

/** Starts `canary` targets, then `step` at a time (a number of targets, or a percentage as `10%`). */
export interface Rollout {
  readonly canary: number;
  readonly step: number | `${number}%`;
  readonly pauseMs: number;
  /** Share of settled targets, 0 to 1, that may fail; above it no more targets start. */
  readonly abortOver: number;
}

/**
 * The targets of a command, as number sets of agents or as rows. Target numbers run from 1 through the list: set after set, the agents
 * of each in rising order; or row after row. The first set holds the agents that were connected at submission, so that a canary can
 * answer.
 */
export type TargetList =
  { readonly sets: readonly Uint8Array[] } | { readonly rows: readonly (readonly [num: number, binding: Binding])[] };

/** Why a second person must approve, and with which role at least. */
export interface Approval {
  readonly why: string;
  readonly role: Role;
  /** No one origin may have made the credentials of both. */
  readonly independent?: true;
}

export interface CommandRecord {
  readonly id: CommandId;
  readonly org: OrgId;
  readonly action: string;
  readonly params: Params;
  readonly dryRun: boolean;
  /** The requested target as text for people: the selector, `3 endpoints`, `12 rows`. */
  readonly target: string;
  readonly targets: TargetList;
  readonly rollout?: Rollout;
  readonly reason?: string;
  readonly operator: Person & { readonly role: Role };
  readonly submittedAtMs: number;
  readonly expiresAtMs: number;
  /** How long it may run on one endpoint. */
  readonly timeoutMs: number;
  /** A hash of the caller's identity and the idempotency key: of two commands with the same one, the later is void. */
  readonly requestKey?: string;
  /** Why a second person must approve; absent when approval is not needed. */
  readonly approval?: Approval;
  /** The command that this one undoes. */
  readonly undoes?: CommandId;
  /** W3C Trace Context of the request, where it is recorded: whoever works on the command goes on with its trace. */
  readonly traceparent?: string;
}

export interface Signature {
  /** The compact JWS of the claims. */
  readonly jws: string;
  /** The compact JWS of the key list that was current at signing. */
  readonly keys: string;
  readonly approver?: Person;
}

/** What the audit record of an entry has beside it. Absent in entries from before it was kept. */
export interface AskedBy {
  /** The address the request came from. */
  readonly from: string;
  /** Who stands behind the credential. */
  readonly person?: string;
  /** The selector of the request. */
  readonly scope?: string;
}

export interface SubmittedEntry {
  readonly t: 'submitted';
  readonly atMs: number;
  readonly asked?: AskedBy;
  readonly record: CommandRecord;
  /** Absent while it waits for approval. */
  readonly signature?: Signature;
  /** With a signature: how many targets may be delivered, and the number set of those that are `sent` from the start. */
  readonly released?: number;
  readonly sent?: Uint8Array;
}

/** The command was approved and is signed now. */
export interface SignedEntry {
  readonly t: 'signed';
  readonly atMs: number;
  readonly asked?: AskedBy;
  readonly signature: Signature;
  readonly released: number;
  readonly sent: Uint8Array;
}

/** A rollout continues: targets up to this number may be delivered. */
export interface ReleasedEntry {
  readonly t: 'released';
  readonly atMs: number;
  readonly upTo: number;
}

export interface StatesEntry {
  readonly t: 'states';
  readonly atMs: number;
  readonly changes: readonly StateChange[];
}

export interface StateChange {
  readonly state: CommandState;
  /** A number set of target numbers. */
  readonly targets: Uint8Array;
  /** A code for programs; empty where the state needs none. */
  readonly code: string;
  readonly message: string;
  /** What was done, or in a dry run would be done, one line each. */
  readonly effects?: readonly string[];
}

/** Queued targets do not start any more; sent ones are told to stop. Also written when a rollout is aborted or approval is refused. */
export interface CancelEntry {
  readonly t: 'cancel';
  readonly atMs: number;
  readonly asked?: AskedBy;
  readonly by: Person;
  /** `cancelled`, `rejected`, `rollout_aborted`, `not_approved`. */
  readonly code: string;
  readonly message: string;
}

export function encodeJournalEntry(entry: JournalEntry): Uint8Array {
  return encodeCborUnsorted(entry);
}

/** Reads what {@link encodeJournalEntry} wrote. Throws a `TypeError` on anything else. */
export function decodeJournalEntry(bytes: Uint8Array): JournalEntry {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null || !('t' in value)) throw new TypeError('not a journal entry');
  return value as JournalEntry;
}

/** Agent numbers, by target number - 1. */
export function targetNums(list: TargetList): number[] {
  return 'rows' in list ? list.rows.map(([num]) => num) : list.sets.flatMap((set) => decodeNumberSet(set));
}

export function targetBinding(list: TargetList, number: number): Binding | undefined {
  return 'rows' in list ? list.rows[number - 1]?.[1] : undefined;
}
