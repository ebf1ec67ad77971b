import type { StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { AppError, type OrgId, type QueryId } from '@muster/protocol';
import {
  decodeQueryRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type ExceptionRecord,
  type PackReference,
  type QueryRecord,
} from '@muster/records';
import { readWholeResults } from '@muster/service-base';
import type { Pack } from '@muster/packs';
import type { DecisionStore } from '../decisions/decision-store.js';
import { ExceptionMatcher, isInForce } from '../decisions/exception-matcher.js';
import type { PackLibrary } from '../packs/pack-library.js';
import { ScanFold } from './fold-scan.js';

export type ScanQuery = QueryRecord & { readonly pack: PackReference };

/** A scan as its result stream has it, with the exceptions that were in force when it ended, or are while it runs. */
export interface ReadScan {
  readonly query: ScanQuery;
  readonly fold: ScanFold;
  /** Absent: that version is not kept any more. */
  readonly pack: Pack | undefined;
  readonly exceptions: ExceptionMatcher;
}

export interface ScanReaderOptions {
  readonly streams: StreamStore;
  readonly packs: Pick<PackLibrary, 'version' | 'read'>;
  readonly exceptions: Pick<DecisionStore<ExceptionRecord>, 'ever'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly now: () => number;
}

/** Folds of scans that have ended: who pages through one reads it once. */
const KEPT_FOLDS = 3;
/** For how long the fold of a scan that runs is shown again: many may watch it. */
const RUNNING_MS = 1_000;

interface RunningFold {
  readonly fold: Promise<ScanFold>;
  /** Absent while it is read. */
  untilMs?: number;
}

export class ScanReader {
  readonly #options: ScanReaderOptions;
  readonly #folds = new Map<QueryId, Promise<ScanFold>>();
  readonly #running = new Map<QueryId, RunningFold>();

  constructor(options: ScanReaderOptions) {
    this.#options = options;
  }

  /** @throws AppError `not_found`, `results_expired`; StreamError */
  async find(org: OrgId, id: QueryId): Promise<ReadScan> {
    const query = await this.#query(org, id);
    if (query === undefined || !isScan(query)) throw new AppError('not_found', `there is no scan ${id}`);
    return this.read(query);
  }

  /** @throws AppError `results_expired`; StreamError; the reason of the signal */
  async read(query: ScanQuery, signal?: AbortSignal): Promise<ReadScan> {
    const { packs } = this.#options;
    const fold = query.state === 'running' ? this.#runningFold(query) : this.#keptFold(query, signal);
    const version = await packs.version(query.org, query.pack.id, query.pack.hash);
    const pack = version === undefined ? undefined : packs.read(version);
    return { query, fold: await fold, pack, exceptions: this.#exceptions(query) };
  }

  /** When it began; `undefined`: there is none. @throws StreamError */
  async startedAt(org: OrgId, id: QueryId): Promise<number | undefined> {
    return (await this.#query(org, id))?.createdAtMs;
  }

  async #query(org: OrgId, id: QueryId): Promise<QueryRecord | undefined> {
    const entry = await this.#options.streams.last(STREAMS.queries.name, STREAM_SUBJECTS.query(org, id));
    return entry && decodeQueryRecord<QueryRecord>(entry.data.slice());
  }

  /** Those of a pack that are in force now. */
  present(org: OrgId, pack: string): ExceptionMatcher {
    return this.#matcher(org, pack, this.#options.now());
  }

  #exceptions({ org, pack, endedAtMs }: ScanQuery): ExceptionMatcher {
    return this.#matcher(org, pack.id, endedAtMs ?? this.#options.now());
  }

  #matcher(org: OrgId, pack: string, atMs: number): ExceptionMatcher {
    const { exceptions, directory } = this.#options;
    const all = [...exceptions.ever(org)].filter((one) => one.pack === pack && isInForce(one, atMs));
    return new ExceptionMatcher(all, directory);
  }

  #runningFold(query: ScanQuery): Promise<ScanFold> {
    const { now } = this.#options;
    for (const [id, { untilMs = Infinity }] of this.#running) if (untilMs <= now()) this.#running.delete(id);
    const known = this.#running.get(query.id);
    if (known !== undefined) return known.fold;
    const reading: RunningFold = { fold: this.#fold(query, undefined) };
    this.#running.set(query.id, reading);
    reading.fold.then(
      () => (reading.untilMs = now() + RUNNING_MS),
      () => this.#running.delete(query.id),
    );
    return reading.fold;
  }

  #keptFold(query: ScanQuery, signal: AbortSignal | undefined): Promise<ScanFold> {
    const known = this.#folds.get(query.id);
    if (known !== undefined) return known;
    const fold = this.#fold(query, signal);
    this.#folds.set(query.id, fold);
    fold.catch(() => this.#folds.delete(query.id));
    const [oldest] = this.#folds.keys();
    if (this.#folds.size > KEPT_FOLDS && oldest !== undefined) this.#folds.delete(oldest);
    return fold;
  }

  async #fold(query: ScanQuery, signal: AbortSignal | undefined): Promise<ScanFold> {
    const fold = new ScanFold();
    const options = { batch: 16, ...(signal === undefined ? {} : { signal }) };
    for await (const { event } of readWholeResults(this.#options.streams, query, options)) fold.apply(event);
    // Who is told to stop reads to no end: a part must not be taken for the whole.
    signal?.throwIfAborted();
    return fold;
  }
}

export function isScan(record: QueryRecord): record is ScanQuery {
  return record.pack !== undefined;
}
