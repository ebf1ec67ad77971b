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
 * The journal: one subject per command, read in the order of the stream. The first entry is `submitted`; the state of a command is what
 * `CommandFold` makes of its entries, and nothing else, so that every service and every API process sees the same.
 */
export type JournalEntry = SubmittedEntry | SignedEntry | ReleasedEntry | StatesEntry | CancelEntry;

export interface Person {
  readonly id: string;
  readonly name: string;
}

/** Starts `canary` targets, then `step` at a time (a number of targets, or a percentage as `10%`). */
export interface Rollout {
  readonly canary: number;
  readonly step: number | `${number}%`;
  readonly pauseMs: number;
  /** Share of settled targets, 0 to 1, that may fail; above it nothing more starts. */
  readonly abortOver: number;
}

/**
 * Who is meant. Target numbers run from 1 through the list: the agents of each number set in rising order, set after set (those
 * connected at the time first, so that a canary is one that can answer); or the rows.
 */
export type TargetList =
  { readonly sets: readonly Uint8Array[] } | { readonly rows: readonly (readonly [num: number, binding: Binding])[] };

export interface CommandRecord {
  readonly id: CommandId;
  readonly org: OrgId;
  readonly action: string;
  readonly params: Params;
  readonly dryRun: boolean;
  /** What was asked for, for people: the selector, `3 endpoints`, `12 rows`. */
  readonly target: string;
  readonly targets: TargetList;
  readonly rollout?: Rollout;
  readonly reason?: string;
  readonly operator: Person & { readonly role: Role };
  readonly submittedAtMs: number;
  readonly expiresAtMs: number;
  /** How long it may run on one endpoint. */
  readonly timeoutMs: number;
  /** A hash of whose request it is and of its idempotency key: of two commands with the same one, the later is void. */
  readonly requestKey?: string;
  /** Why a second person must approve; absent when none must. */
  readonly approval?: { readonly why: string; readonly role: Role };
  /** The command that this one undoes. */
  readonly undoes?: CommandId;
}

export interface Signature {
  /** The compact JWS of the claims. */
  readonly jws: string;
  /** The compact JWS of the key list that was current. */
  readonly keys: string;
  readonly approver?: Person;
}

export interface SubmittedEntry {
  readonly t: 'submitted';
  readonly atMs: number;
  readonly record: CommandRecord;
  /** Absent while it waits for approval. */
  readonly signature?: Signature;
  /** With a signature: how many targets may be tried, and which of them are `sent` from the start. */
  readonly released?: number;
  readonly sent?: Uint8Array;
}

/** Approved, and so signed. */
export interface SignedEntry {
  readonly t: 'signed';
  readonly atMs: number;
  readonly signature: Signature;
  readonly released: number;
  readonly sent: Uint8Array;
}

/** A rollout goes on: targets up to this number may be tried. */
export interface ReleasedEntry {
  readonly t: 'released';
  readonly atMs: number;
  readonly upTo: number;
}

/** Some targets have come further. */
export interface StatesEntry {
  readonly t: 'states';
  readonly atMs: number;
  readonly changes: readonly StateChange[];
}

export interface StateChange {
  readonly state: CommandState;
  /** A number set of target numbers. */
  readonly targets: Uint8Array;
  /** One word for machines; empty where the state says all. */
  readonly code: string;
  readonly message: string;
  /** What was done, or would be, one line each. */
  readonly effects?: readonly string[];
}

/** Nothing that has not been tried starts any more; what was tried is told to stop. Also the end of a rollout, and a refused approval. */
export interface CancelEntry {
  readonly t: 'cancel';
  readonly atMs: number;
  readonly by: Person;
  /** `cancelled`, `rejected`, `rollout_aborted`, `not_approved`. */
  readonly code: string;
  readonly message: string;
}

export function encodeJournalEntry(entry: JournalEntry): Uint8Array {
  return encodeCborUnsorted(entry);
}

/** Reads what {@link encodeJournalEntry} wrote. Throws on anything else. */
export function decodeJournalEntry(bytes: Uint8Array): JournalEntry {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null || !('t' in value)) throw new TypeError('not a journal entry');
  return value as JournalEntry;
}

/** Agent numbers by target number less one. */
export function targetNums(list: TargetList): number[] {
  return 'rows' in list ? list.rows.map(([num]) => num) : list.sets.flatMap((set) => decodeNumberSet(set));
}

export function targetBinding(list: TargetList, number: number): Binding | undefined {
  return 'rows' in list ? list.rows[number - 1]?.[1] : undefined;
}
