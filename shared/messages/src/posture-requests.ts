import type { ErrorCode, OrgId, PostureServiceId, QueryId } from '@muster/protocol';
import type {
  ExceptionRecord,
  PackRecord,
  ProposedPack,
  QueryRecord,
  ScanRecord,
  ScheduleRecord,
} from '@muster/records';
import type { StartQuery } from './query-requests.js';
import type { VulnerabilityReply, VulnerabilityRequest } from './vulnerability-requests.js';

/** Requests of the API to posture services, and the replies. */

/** Goes with a request that changes something. */
export interface ChangeTerms {
  /**
   * Made for one call of the API, the same for each instance that is asked: when another one did it and was not heard,
   * who is asked next finds this id in the record and answers as that one would have. Absent: an API of the version
   * before asks.
   */
  readonly changeId?: string;
}

/** A version of a pack that the command service has signed. */
export interface StorePack {
  readonly t: 'store_pack';
  readonly org: OrgId;
  readonly by: { readonly id: string; readonly name: string };
  /** The YAML, compressed (raw deflate). */
  readonly text: Uint8Array;
  /** Of the checks, as they were signed. */
  readonly hash: string;
  readonly jws: string;
  readonly keys: string;
  /** The second person, where a policy asked for one. */
  readonly approvedBy?: { readonly id: string; readonly name: string };
}

/** `pack`: its id. The newest version is run. */
export interface StartScan extends Omit<StartQuery, 't' | 'pack' | 'sql' | 'reduce' | 'parameters' | 'sensitivities'> {
  readonly t: 'start_scan';
  readonly pack: string;
}

interface Person {
  readonly id: string;
  readonly name: string;
}

/** What a person says of a schedule. */
export type ScheduleTerms = Pick<
  ScheduleRecord,
  | 'name'
  | 'pack'
  | 'selector'
  | 'bound'
  | 'scope'
  | 'cron'
  | 'timeZone'
  | 'jitterMs'
  | 'timeoutMs'
  | 'waitMs'
  | 'detail'
>;

/** What may be changed of one. */
export type ScheduleChange = Partial<Pick<ScheduleRecord, 'state' | 'name' | 'cron' | 'timeZone' | 'jitterMs'>>;

/** What a person says of an exception. */
export type ExceptionTerms = Pick<
  ExceptionRecord,
  'pack' | 'check' | 'selector' | 'scope' | 'owner' | 'reason' | 'untilMs'
>;

/** With an id, what is asked twice is made once: the second answer has what is there. */
interface Creation<T extends string, Terms> {
  readonly t: T;
  readonly org: OrgId;
  readonly by: Person;
  readonly id?: string;
  readonly terms: Terms;
}

type DecisionRequest =
  | Creation<'create_schedule', ScheduleTerms>
  /** In parts, by id: those after this one. Without it, by name, and as many as one reply holds. */
  | { readonly t: 'list_schedules'; readonly org: OrgId; readonly after?: string }
  | { readonly t: 'show_schedule'; readonly org: OrgId; readonly id: string }
  | {
      readonly t: 'change_schedule';
      readonly org: OrgId;
      readonly id: string;
      readonly by: Person;
      readonly change: ScheduleChange | 'delete';
    }
  | Creation<'create_exception', ExceptionTerms>
  | { readonly t: 'list_exceptions'; readonly org: OrgId; readonly after?: string }
  | { readonly t: 'delete_exception'; readonly org: OrgId; readonly id: string; readonly by: Person };

export type PackRequest =
  | StorePack
  /** Keeps a pack that waits for a second person, instead of what waited before under its id. */
  | (Omit<StorePack, 't' | 'jws' | 'keys' | 'approvedBy'> & {
      readonly t: 'propose_pack';
      readonly proposal: string;
      readonly why: string;
    })
  | { readonly t: 'list_proposals'; readonly org: OrgId }
  | { readonly t: 'show_proposal'; readonly org: OrgId; readonly id: string }
  | { readonly t: 'list_packs'; readonly org: OrgId }
  | { readonly t: 'show_pack'; readonly org: OrgId; readonly id: string; readonly hash?: string }
  /** `digest`: of the text that is rejected. */
  | {
      readonly t: 'reject_proposal';
      readonly org: OrgId;
      readonly id: string;
      readonly digest: string;
      readonly by: Person;
    }
  | { readonly t: 'remove_pack'; readonly org: OrgId; readonly id: string; readonly by: Person };

export type PostureRequest =
  | DecisionRequest
  | PackRequest
  | StartScan
  /** Newest first; `before` is an id. Scans that ended. */
  | {
      readonly t: 'list_scans';
      readonly org: OrgId;
      readonly before?: QueryId;
      readonly pack?: string;
      readonly scope?: string;
      readonly limit: number;
    }
  | { readonly t: 'show_scan'; readonly org: OrgId; readonly id: QueryId }
  /** `skip` of them were in earlier replies. */
  | {
      readonly t: 'scan_findings';
      readonly org: OrgId;
      readonly id: QueryId;
      readonly check?: string;
      readonly skip?: number;
    }
  /** Endpoints with a number above `after`, of one check; or with `num` every check of one endpoint. */
  | {
      readonly t: 'scan_endpoints';
      readonly org: OrgId;
      readonly id: QueryId;
      readonly check?: string;
      readonly num?: number;
      readonly outcome?: string;
      readonly after: number;
      readonly limit: number;
    }
  | { readonly t: 'scan_scores'; readonly org: OrgId; readonly id: QueryId; readonly after: number }
  | VulnerabilityRequest;

/** What a scan found, in short: how many checks fail somewhere without an exception, by severity. */
export type ScanSummary = Omit<ScanRecord, 'checks'> & { readonly failing: Readonly<Record<string, number>> };

/** A pack without its texts. */
export type PackSummary = Omit<PackRecord, 'text' | 'bytes' | 'jws' | 'keys'>;

/** A pack that waits for a second person, without its text. */
export type ProposalSummary = Omit<ProposedPack, 'text' | 'proposal'>;

/** Equal evidence of one check, and how many endpoints have it. */
export interface ScanFinding {
  readonly check: string;
  readonly outcome: string;
  readonly reason: string | null;
  /** JSON. */
  readonly evidence: string | null;
  readonly endpoints: number;
  /** Numbers of some of them. */
  readonly sample: readonly number[];
  /** By which exceptions how many of them may fail. */
  readonly exceptions: readonly {
    readonly id: string;
    readonly owner: string;
    readonly reason: string;
    readonly untilMs: number;
    readonly endpoints: number;
  }[];
}

/** The outcome of one check on one endpoint. */
export interface EndpointOutcome extends Pick<ScanFinding, 'outcome' | 'reason' | 'evidence'> {
  readonly num: number;
  /** Absent from a service of the version before. */
  readonly check?: string;
  /** The exception by which it may fail. */
  readonly exception?: string;
}

/** What one endpoint counts: weights of what passes, and of what passes or fails without an exception. */
export interface EndpointScore {
  readonly num: number;
  readonly passed: number;
  readonly judged: number;
  /** Its checks by outcome; `excepted` are among those that fail. */
  readonly counts: Readonly<Record<string, number>>;
  readonly excepted: number;
}

export type PostureReply =
  | { readonly t: 'pack'; readonly pack: PackSummary; readonly text?: Uint8Array }
  | { readonly t: 'packs'; readonly packs: readonly PackSummary[] }
  | { readonly t: 'proposals'; readonly proposals: readonly ProposalSummary[] }
  | { readonly t: 'proposal'; readonly proposal: ProposedPack }
  | { readonly t: 'proposal_rejected'; readonly proposal: ProposalSummary }
  | { readonly t: 'pack_removed'; readonly version: string }
  | { readonly t: 'scan_started'; readonly record: QueryRecord }
  /** `isCut`: there are more. Absent of a service of the version before. */
  | { readonly t: 'scans'; readonly scans: readonly ScanSummary[]; readonly isCut?: boolean }
  /** Absent: it has not ended, or what it found is not kept yet. */
  | { readonly t: 'scan'; readonly scan?: ScanRecord }
  | { readonly t: 'findings'; readonly findings: readonly ScanFinding[]; readonly isCut: boolean }
  /**
   * `isWhole`: no endpoint is left out because only some of its group are kept. `isCut`: there are more above the last one.
   * `num`: as it was asked for. A service of the version before does not know it, answers with all endpoints, and leaves it out.
   */
  | {
      readonly t: 'scan_endpoints';
      readonly num?: number;
      readonly endpoints: readonly EndpointOutcome[];
      readonly isWhole: boolean;
      readonly isCut: boolean;
    }
  | {
      readonly t: 'scan_scores';
      readonly scores: readonly EndpointScore[];
      readonly isWhole: boolean;
      readonly isCut: boolean;
    }
  | { readonly t: 'schedule'; readonly schedule: ScheduleRecord }
  /** Each with its last firing only. */
  | { readonly t: 'schedules'; readonly schedules: readonly ScheduleRecord[]; readonly isCut?: boolean }
  | { readonly t: 'exception'; readonly exception: ExceptionRecord }
  | { readonly t: 'exceptions'; readonly exceptions: readonly ExceptionRecord[]; readonly isCut?: boolean }
  | VulnerabilityReply
  | {
      readonly t: 'problem';
      readonly code: ErrorCode;
      readonly message: string;
      readonly details: Readonly<Record<string, unknown>>;
    };

/** Gateway → any posture service, request and reply: the checks of a pack that an endpoint does not have. */
export interface PackChecksRequest {
  readonly t: 'pack_checks';
  readonly org: OrgId;
  readonly id: string;
  readonly hash: string;
}

export type PackChecksReply =
  { readonly t: 'pack_checks'; readonly bytes: Uint8Array } | { readonly t: 'pack_unknown' };

/** Posture service → everyone, every second. */
export interface PostureHeartbeat {
  readonly t: 'posture_beat';
  readonly instance: PostureServiceId;
  readonly stopping: boolean;
  readonly nowMs: number;
  /** Of the program; absent in versions that did not say. */
  readonly version?: string;
}
