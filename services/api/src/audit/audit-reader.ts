import { readInTime, type StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';

export interface AuditFilter {
  readonly actor?: string | undefined;
  readonly action?: string | undefined;
  readonly outcome?: AuditRecord['outcome'] | undefined;
  readonly sinceMs?: number | undefined;
  /** Not included. */
  readonly untilMs?: number | undefined;
}

export interface AuditEntry {
  readonly seq: number;
  readonly record: AuditRecord;
}

export interface AuditPage {
  readonly entries: readonly AuditEntry[];
  /** The next page has the entries before this sequence; absent on the last page. */
  readonly before?: number;
}

const FIRST_WINDOW = 512;
// How many records one request scans at most. A filter that matches rarely gives short pages, not long waits.
const MAX_SCANNED = 20_000;
/** A record is stored up to a minute after its own time, which is by the clock of its writer. */
const DISORDER_MS = 600_000;

/**
 * Audit records, newest first. The stream reads forwards only.
 * So this reads windows from the end backwards, each twice as wide as the last.
 */
export async function readAudit(
  streams: StreamStore,
  org: OrgId,
  options: {
    readonly before?: number | undefined;
    readonly limit: number;
    readonly filter: AuditFilter;
    readonly signal: AbortSignal;
  },
): Promise<AuditPage> {
  const { limit, filter, signal } = options;
  const subject = STREAM_SUBJECTS.audit(org);
  const found: AuditEntry[] = [];
  try {
    const newest = await streams.last(STREAMS.audit.name, subject);
    let end = Math.min(options.before ?? Number.MAX_SAFE_INTEGER, (newest?.seq ?? 0) + 1);
    let isBefore = false;
    for (let width = FIRST_WINDOW, scanned = 0; end > 1 && !signal.aborted; width *= 2) {
      const start = Math.max(1, end - width);
      const window: AuditEntry[] = [];
      for await (const { seq, data, timestampMs } of readInTime(streams, STREAMS.audit.name, {
        subject,
        fromSeq: start,
        signal,
      })) {
        if (seq >= end) break;
        scanned += 1;
        const record = decodeRecord<AuditRecord>(data);
        // By the broker's clock, which is the order of the stream: one writer's slow clock must not hide the others' records.
        isBefore ||= timestampMs < (filter.sinceMs ?? 0) - DISORDER_MS;
        if (matchesAudit(record, filter)) window.push({ seq, record });
      }
      found.push(...window.toReversed());
      // All further ones are older.
      end = isBefore ? 1 : start;
      if (found.length > limit || scanned >= MAX_SCANNED) break;
    }
    const entries = found.slice(0, limit);
    const last = entries.at(-1);
    if (found.length > limit && last !== undefined) return { entries, before: last.seq };
    return end > 1 ? { entries, before: end } : { entries };
  } catch (cause) {
    throw new AppError('broker_unavailable', 'the audit record cannot be read now; try again', { cause });
  }
}

export function matchesAudit(record: AuditRecord, filter: AuditFilter): boolean {
  const { actor, action, outcome, sinceMs = 0, untilMs = Infinity } = filter;
  if (record.atMs < sinceMs || record.atMs >= untilMs) return false;
  if (actor !== undefined && record.actor !== actor && record.actorName !== actor) return false;
  if (action !== undefined && record.action !== action && !record.action.startsWith(`${action}.`)) return false;
  return outcome === undefined || record.outcome === outcome;
}
