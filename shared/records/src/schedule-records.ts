import type { OrgId, QueryId } from '@muster/protocol';

/** What people decide about scans, in the stream `posture`. */

interface Person {
  readonly id: string;
  readonly name: string;
}

/** What became of a moment at which a schedule was due. */
export interface Firing {
  /** The moment that the cron expression names, without jitter. */
  readonly dueMs: number;
  readonly atMs: number;
  readonly result: 'started' | 'missed' | 'failed';
  readonly scan?: QueryId;
  /** How many moments passed while nobody could start a scan. */
  readonly missed?: number;
  readonly message?: string;
}

/**
 * A schedule; the last version of its subject counts. Posture services write it too, each on the condition that it is
 * the one they have read: who advances `next` may start the scan, and nobody else.
 */
export interface ScheduleRecord {
  readonly kind: 'schedule';
  readonly id: string;
  readonly org: OrgId;
  readonly name: string;
  readonly pack: string;
  readonly selector: string;
  /** The selector of who made it, and both together. */
  readonly bound: string;
  readonly scope: string;
  readonly cron: string;
  readonly timeZone: string;
  readonly jitterMs: number;
  readonly timeoutMs: number;
  /** How long each scan waits for endpoints that are away. */
  readonly waitMs?: number;
  readonly detail: 'checks' | 'endpoints';
  readonly by: Person;
  readonly createdAtMs: number;
  readonly changedBy: Person;
  readonly changedAtMs: number;
  readonly state: 'active' | 'paused';
  readonly deleted?: true;
  /** Of the last requests that changed it, newest first: who finds its own has been asked before. Absent: none named its change. */
  readonly changeIds?: readonly string[];
  /**
   * The next moment, and when its scan starts: jitter included. Absent while it is paused, and where the expression
   * names none any more.
   */
  readonly next?: { readonly dueMs: number; readonly atMs: number };
  /**
   * A scan that an instance is starting. When it is older than a while, that instance is gone, or could not start it:
   * another one may start the scan with the same id, so that there is one at most.
   */
  readonly claim?: {
    readonly dueMs: number;
    readonly scan: QueryId;
    /** Of the first claim. */
    readonly sinceMs: number;
    readonly atMs: number;
    readonly message?: string;
  };
  /** The last ones, newest first. */
  readonly firings: readonly Firing[];
}

/** A check that may fail on some endpoints until a moment. It is never changed, only ended. */
export interface ExceptionRecord {
  readonly kind: 'exception';
  readonly id: string;
  readonly org: OrgId;
  readonly pack: string;
  readonly check: string;
  readonly selector: string;
  /** The selector joined with that of who made it. */
  readonly scope: string;
  readonly owner: string;
  readonly reason: string;
  readonly untilMs: number;
  readonly by: Person;
  readonly createdAtMs: number;
  readonly deleted?: { readonly by: Person; readonly atMs: number };
  /** As in {@link ScheduleRecord}. */
  readonly changeIds?: readonly string[];
}
