import {
  decodeCbor,
  encodeCborUnsorted,
  type CheckOutcome,
  type Ledger,
  type OrgId,
  type QueryId,
} from '@muster/protocol';
import type { PackReference } from './pack-reference.js';
import type { QueryState, ResultForm } from './query-records.js';
import type { ExceptionRecord, ScheduleRecord } from './schedule-records.js';
import type {
  FeedPart,
  FeedRecord,
  FeedUpload,
  FindingBlock,
  VulnerabilityScanRecord,
} from './vulnerability-records.js';

/** What posture services keep. */
type PostureRecord =
  | PackRecord
  | ProposedPack
  | RemovedPack
  | ScanRecord
  | FeedRecord
  | FeedUpload
  | FeedPart
  | VulnerabilityScanRecord
  | FindingBlock
  | ScheduleRecord
  | ExceptionRecord;

/**
 * Names the request that a record is of, the same at each instance that it reaches: who finds it has been asked before.
 * Absent: an API of the version before asked.
 */
interface OfChange {
  readonly changeId?: string;
}

/** A version of a pack. The last one of a subject is the current one. */
export interface PackRecord extends PackReference, OfChange {
  readonly org: OrgId;
  readonly title: string;
  /** The YAML as it was applied, compressed (raw deflate). */
  readonly text: Uint8Array;
  /** What endpoints get. */
  readonly bytes: Uint8Array;
  readonly by: { readonly id: string; readonly name: string };
  /** The second person, where a policy asked for one. */
  readonly approvedBy?: { readonly id: string; readonly name: string };
  /** Which text they approved: another one, proposed before this record was written, waits on. Absent where a version before wrote it. */
  readonly approvedDigest?: string;
  readonly atMs: number;
}

/** A version of a pack that waits for a second person. The last one of a subject counts, until a newer version of the pack is applied. */
export interface ProposedPack extends Pick<
  PackRecord,
  'org' | 'id' | 'version' | 'hash' | 'checks' | 'title' | 'text' | 'by' | 'atMs' | 'changeId'
> {
  /** What the command service signed. */
  readonly proposal: string;
  /** SHA-256 of the text before it was compressed. */
  readonly digest: string;
  readonly why: string;
  /**
   * What another person, or for `rejected` the same one, said to it. One that is approved waits until it is applied,
   * and can be approved again only.
   */
  readonly decided?: OfChange & {
    readonly as: 'approved' | 'rejected';
    readonly by: { readonly id: string; readonly name: string };
    readonly atMs: number;
  };
}

/** The last one of the subject of a pack: nobody runs the pack any more. Versions before it are kept for what they found. */
export interface RemovedPack extends Pick<PackRecord, 'org' | 'id' | 'version'> {
  readonly removed: OfChange & {
    readonly by: { readonly id: string; readonly name: string };
    readonly atMs: number;
  };
}

/** How many endpoints have each outcome of one check. */
export interface CheckCounts extends Readonly<Record<CheckOutcome, number>> {
  readonly id: string;
  readonly title: string;
  readonly severity: string;
  /** Endpoints that answered and whose outcome is not in the counts, because not everything was kept. */
  readonly uncounted: number;
  /** How many of those that fail are excepted: the score leaves them out. Absent where none is. */
  readonly excepted?: number;
}

/** What a scan found, written once when its query has ended. */
export interface ScanRecord {
  /** That of its query. */
  readonly id: QueryId;
  readonly org: OrgId;
  readonly operator: string;
  readonly operatorName: string;
  readonly pack: { readonly id: string; readonly version: string; readonly hash: string; readonly title: string };
  readonly selector: string;
  readonly scope: string;
  readonly mode: ResultForm;
  readonly state: QueryState;
  readonly createdAtMs: number;
  readonly endedAtMs: number;
  readonly ledger: Ledger;
  readonly offline: number;
  /** Why the counts are incomplete; absent when they are not. */
  readonly truncated?: string;
  /** 0 to 100; absent when no check passed or failed anywhere. */
  readonly score?: number;
  readonly checks: readonly CheckCounts[];
  /** The scan before it of the same pack and scope. */
  readonly previous?: { readonly id: QueryId; readonly score?: number };
  /** By id of the check: it fails and did not, it failed and does not, it failed then and now. */
  readonly changes?: {
    readonly fails: readonly string[];
    readonly mended: readonly string[];
    readonly still: readonly string[];
    /** Of those, the ones that fail on more endpoints than then. Absent where a version before wrote it. */
    readonly spreads?: readonly string[];
  };
}

export function encodePosture(value: PostureRecord): Uint8Array {
  return encodeCborUnsorted(value);
}

/** Reads what {@link encodePosture} wrote. Throws a `TypeError` on anything that is no CBOR map. */
export function decodePosture<T extends PostureRecord>(bytes: Uint8Array): T {
  const value = decodeCbor(bytes);
  if (typeof value !== 'object' || value === null) throw new TypeError('not a record of a posture service');
  return value as T;
}
