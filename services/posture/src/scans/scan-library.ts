import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { isQueryId, ledgerMostlyAnswered, type OrgId, type QueryId } from '@muster/protocol';
import { decodePosture, encodePosture, STREAM_SUBJECTS, STREAMS, type ScanRecord } from '@muster/records';
import type { ScanSummary } from '@muster/messages';
import { SEVERITIES } from '@muster/packs';
import type { Logger } from '@muster/runtime';
import { openFailures } from './changes.js';

/** Summaries in memory, about a kilobyte each. Older ones are read by their id only. */
const MAX_SUMMARIES = 20_000;

/** What scans found: written once each, whoever of several instances is first. */
export class ScanLibrary {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  /** Ids sort by time. */
  readonly #summaries = new Map<QueryId, ScanSummary>();
  readonly #newest = new Map<string, ScanRecord>();
  #view: FollowedView | undefined;

  constructor({ streams, logger }: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = streams;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.scans.name,
      apply: (entry) => this.#apply(entry),
      reset: () => {
        this.#summaries.clear();
        this.#newest.clear();
      },
      logger: this.#logger,
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  has(id: QueryId): boolean {
    return this.#summaries.has(id);
  }

  /** The newest scan of all endpoints of each org and pack. */
  newest(): Iterable<ScanRecord> {
    return this.#newest.values();
  }

  /** Newest first. */
  list(
    org: OrgId,
    options: { readonly before?: QueryId; readonly pack?: string; readonly scope?: string; readonly limit: number },
  ): ScanSummary[] {
    const { before, pack, scope, limit } = options;
    return [...this.#summaries.values()]
      .filter((scan) => scan.org === org && (before === undefined || scan.id < before))
      .filter((scan) => (pack === undefined || scan.pack.id === pack) && (scope === undefined || scan.scope === scope))
      .sort((one, other) => (one.id < other.id ? 1 : -1))
      .slice(0, limit);
  }

  /** The last one before it of the same pack and scope that went to its end and was answered. */
  before({ org, id, pack, scope }: Pick<ScanRecord, 'org' | 'id' | 'pack' | 'scope'>): ScanSummary | undefined {
    let found: ScanSummary | undefined;
    for (const scan of this.#summaries.values())
      if (scan.org === org && scan.id < id && scan.pack.id === pack.id && scan.scope === scope && saysSomething(scan))
        if (found === undefined || scan.id > found.id) found = scan;
    return found;
  }

  /** @throws StreamError when the stream cannot be read. */
  async get(org: OrgId, id: QueryId): Promise<ScanRecord | undefined> {
    if (!isQueryId(id)) return undefined;
    const entry = await this.#streams.last(STREAMS.scans.name, STREAM_SUBJECTS.scan(org, id));
    return entry === undefined ? undefined : decodePosture<ScanRecord>(entry.data);
  }

  /** `false`: it could not be kept now. That another instance was first is no fault: both have read the same stream. */
  async store(scan: ScanRecord): Promise<boolean> {
    const subject = STREAM_SUBJECTS.scan(scan.org, scan.id);
    const result = await this.#streams.append(subject, encodePosture(scan), {
      expectLastSubjectSeq: 0,
      essential: true,
    });
    return result.kind !== 'unavailable';
  }

  #apply({ data, seq }: Entry): void {
    try {
      const record = decodePosture<ScanRecord>(data);
      this.#summaries.set(record.id, summaryOf(record));
      if (this.#summaries.size > MAX_SUMMARIES) this.#forgetOldest();
      const key = `${record.org}/${record.pack.id}`;
      const isOfAll = record.scope === '' && saysSomething(record);
      if (isOfAll && record.id > (this.#newest.get(key)?.id ?? '')) this.#newest.set(key, record);
    } catch (error) {
      this.#logger.error('unreadable scan skipped', { seq, err: error });
    }
  }

  #forgetOldest(): void {
    const [oldest] = this.#summaries.keys();
    if (oldest !== undefined) this.#summaries.delete(oldest);
  }
}

/**
 * One that hardly anybody answered is neither the present state nor what a later one is compared with: nothing fails
 * where nobody says so.
 */
function saysSomething({ state, ledger }: Pick<ScanRecord, 'state' | 'ledger'>): boolean {
  return state === 'complete' && ledgerMostlyAnswered(ledger);
}

function summaryOf({ checks, ...summary }: ScanRecord): ScanSummary {
  const failing = checks.filter((check) => openFailures(check) > 0);
  const bySeverity = SEVERITIES.map((one) => [one, failing.filter(({ severity }) => severity === one).length]);
  return { ...summary, failing: Object.fromEntries(bySeverity) as Record<string, number> };
}
