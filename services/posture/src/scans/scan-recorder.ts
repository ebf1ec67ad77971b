import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import type { QueryId } from '@muster/protocol';
import { decodeQueryRecord, STREAMS, type QueryRecord, type ScanRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { changesSince } from './changes.js';
import type { RecorderMetrics } from './recorder-metrics.js';
import { exceptedCounts } from './scan-findings.js';
import type { ScanLibrary } from './scan-library.js';
import { isScan, type ReadScan, type ScanQuery, type ScanReader } from './scan-reader.js';
import { scoreOf } from './score.js';

export interface ScanRecorderOptions {
  readonly streams: StreamStore;
  readonly reader: Pick<ScanReader, 'read'>;
  readonly scans: ScanLibrary;
  readonly logger: Logger;
  readonly metrics: RecorderMetrics;
}

const RETRY_MS = 2_000;

/**
 * Keeps what scans found, when their query has ended. Which scans there are, and how they ended, say the records of
 * queries alone: an instance that was killed in the middle of a scan has lost nothing, and finds at its start what
 * ended meanwhile.
 */
export class ScanRecorder {
  readonly #options: ScanRecorderOptions;
  readonly #due = new Map<QueryId, ScanQuery>();
  readonly #stopping = new AbortController();
  #view: FollowedView | undefined;
  #working: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: ScanRecorderOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { streams, logger } = this.#options;
    this.#view = await followView(streams, {
      stream: STREAMS.queries.name,
      apply: (entry) => this.#apply(entry),
      logger,
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#retry);
    await this.#view?.stop();
    await this.#working;
  }

  #apply(entry: Entry): void {
    let record: QueryRecord;
    try {
      record = decodeQueryRecord<QueryRecord>(entry.data.slice());
    } catch (error) {
      this.#options.logger.error('unreadable query record skipped', { seq: entry.seq, err: error });
      return;
    }
    if (!isScan(record) || record.state === 'running' || this.#options.scans.has(record.id)) return;
    this.#due.set(record.id, record);
    this.#work();
  }

  /** One after the other: a scan of a large fleet has a large stream. */
  #work(): void {
    this.#working ??= this.#recordDue().finally(() => {
      this.#working = undefined;
      if (this.#due.size === 0 || this.#stopping.signal.aborted) return;
      this.#retry = setTimeout(() => this.#work(), RETRY_MS);
      this.#retry.unref();
    });
  }

  async #recordDue(): Promise<void> {
    const { scans, logger, metrics } = this.#options;
    for (const [id, query] of [...this.#due].sort(([one], [other]) => (one < other ? -1 : 1))) {
      if (this.#stopping.signal.aborted) return;
      try {
        if (!scans.has(id)) {
          const scan = await this.#scanOf(query);
          this.#stopping.signal.throwIfAborted();
          if (!(await scans.store(scan))) throw new Error('the broker did not keep it');
          metrics.scans.inc({ state: query.state });
          logger.info('scan kept', { scan: id, org: query.org, pack: query.pack.id, state: query.state });
        }
        this.#due.delete(id);
      } catch (error) {
        // The next instance keeps it.
        if (this.#stopping.signal.aborted) return;
        if (isGone(error)) this.#due.delete(id);
        logger.warn('a scan cannot be kept now', { scan: id, err: error, givenUp: isGone(error) });
      }
    }
  }

  async #scanOf(query: ScanQuery): Promise<ScanRecord> {
    const { reader, scans } = this.#options;
    const scan = scanRecord(await reader.read(query, this.#stopping.signal));
    // The one before it may have been kept a moment ago, also by another instance.
    await scans.current();
    const previous = scans.before(scan);
    const earlier = previous === undefined ? undefined : await scans.get(scan.org, previous.id);
    if (earlier === undefined) return scan;
    return {
      ...scan,
      previous: { id: earlier.id, ...(earlier.score === undefined ? {} : { score: earlier.score }) },
      changes: changesSince(earlier.checks, scan.checks),
    };
  }
}

/** Its rows are not kept any more: it would never be read. */
function isGone(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'results_expired';
}

/** Counts every endpoint that answered, in each check. */
function scanRecord(read: ReadScan): ScanRecord {
  const { query, fold, pack } = read;
  const { id, org, operator, operatorName, selector, scope, mode, state, createdAtMs, ledger, offline } = query;
  const counts = fold.counts(query.pack.checks);
  const excepted = exceptedCounts(read);
  const checks = counts.map((count, index) => {
    const check = pack?.checks[index];
    const counted = Object.values(count).reduce((sum, one) => sum + one, 0);
    const allowed = excepted[index] ?? 0;
    return {
      ...{ id: check?.id ?? `check-${index + 1}`, title: check?.title ?? '', severity: check?.severity ?? 'info' },
      ...{ ...count, uncounted: Math.max(0, ledger.answered - counted) },
      ...(allowed === 0 ? {} : { excepted: allowed }),
    };
  });
  const score = scoreOf(checks);
  const truncated = query.truncated ?? (fold.isCut ? 'too many different outcomes' : undefined);
  const { id: packId, version, hash } = query.pack;
  return {
    ...{ id, org, operator, operatorName, selector, scope, mode, state, createdAtMs },
    ...{ endedAtMs: query.endedAtMs ?? createdAtMs, ledger, offline, checks },
    pack: { id: packId, version, hash, title: pack?.title ?? packId },
    ...(truncated === undefined ? {} : { truncated }),
    ...(score === undefined ? {} : { score }),
  };
}
