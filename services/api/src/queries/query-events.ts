import type { StreamStore } from '@muster/bus';
import { AppError } from '@muster/protocol';
import { decodeQueryRecord, STREAM_SUBJECTS, STREAMS, type QueryRecord, type ResultEvent } from '@muster/records';
import { isBeginning, isStillKept } from '@muster/service-base';
import { sleep, type Clock } from '@muster/runtime';
import { TimedReader } from '../http/timed-reader.js';

/** The next item of an event stream. `idle`: no event, a heartbeat may be due. */
export type QueryStreamItem =
  | { readonly kind: 'event'; readonly seq: number; readonly event: ResultEvent }
  /** The end of the query from its record, because the stream does not hold it any more. */
  | { readonly kind: 'synthesized_end'; readonly record: QueryRecord }
  | { readonly kind: 'idle' };

export interface QueryEventsOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  /** Reads the newest record of the query. */
  readonly readRecord: () => Promise<QueryRecord | undefined>;
  readonly afterSeq: number;
  readonly signal: AbortSignal;
  readonly heartbeatMs: number;
}

// Small, because each viewer has its own reader, and prefetched entries are what a slow viewer costs.
const BATCH = 2;
// Viewers are many, and most of the time nothing is new for them.
const STREAM_HEARTBEAT_MS = 2_500;
const SETTLING_MS = 60_000;
/** By then the events of an ended query are there, unless they were deleted. */
const LATE_MS = 5_000;
/** A broker that lives has answered a look by then. */
const LOOK_WAIT_MS = 1_000;
/** How often the viewer of a running query asks whether all is left that it has read. Viewers are many. */
const LOOK_EVERY_MS = 15_000;

/**
 * The events of one query from a sequence on, to its end. The next event is fetched only when the last one has been taken.
 * Nothing is told that is not kept: when the coordinator of a query is gone, an orphan reaper writes the end.
 */
export async function* queryEvents(record: QueryRecord, options: QueryEventsOptions): AsyncGenerator<QueryStreamItem> {
  const { streams, clock, signal, heartbeatMs } = options;
  const subject = STREAM_SUBJECTS.result(record.org, record.id);
  const place = await placeOf(record, options);
  if (place === 'after_end') {
    // The record is written first, and may have been read before.
    yield { kind: 'synthesized_end', record: await endOfExpiredResults(record, options) };
    return;
  }
  // The end is written to two streams: the record of an ended query may be ahead of its last events.
  const follow = record.state === 'running' || clock.now() - (record.endedAtMs ?? 0) < SETTLING_MS;
  const reading = new AbortController();
  const untilEnd = AbortSignal.any([signal, reading.signal]);
  const entries = streams.read(STREAMS.results.name, {
    subject,
    fromSeq: options.afterSeq + 1,
    follow,
    batch: BATCH,
    heartbeatMs: STREAM_HEARTBEAT_MS,
    signal: untilEnd,
  });
  const reader = new TimedReader(entries, clock);
  const whole = new WholeCheck(record, { streams, afterSeq: options.afterSeq, signal: untilEnd });
  const idleLook = new IdleLook(clock);
  // An ended query is looked at each time: its viewer waits for nothing else.
  let lookedMs = Number.NEGATIVE_INFINITY;
  const isDue = (): boolean => {
    if (record.state === 'running' && clock.monotonic() - lookedMs < LOOK_EVERY_MS) return false;
    lookedMs = clock.monotonic();
    return true;
  };
  const isMissing = async (): Promise<Missing | undefined> => {
    if (!isDue()) return undefined;
    if (place === 'ahead' && (await placeOf(record, options)) === 'after_end') return 'all';
    if (await areDeleted(record, options)) return 'all';
    return (await whole.isOvertaken()) ? 'some' : undefined;
  };
  try {
    for (;;) {
      const next = await reader.next(heartbeatMs);
      if (signal.aborted) return;
      if (next === 'ended' || next === 'lost') {
        yield { kind: 'synthesized_end', record: await endOfExpiredResults(record, options) };
        return;
      }
      if (next !== 'timeout') {
        const event = decodeQueryRecord<ResultEvent>(next.data);
        const lacks = whole.lacksBeginning(event) || (event.t === 'ended' && (await whole.isOvertaken(next.seq)));
        if (lacks) {
          // Without its beginning, what is left would be taken for the whole.
          if (record.state === 'running' && event.t !== 'ended') throw expired(record);
          yield { kind: 'synthesized_end', record: event.t === 'ended' ? event.record : record };
          return;
        }
        whole.read(next.seq);
        yield { kind: 'event', seq: next.seq, event };
        if (event.t === 'ended') return;
        continue;
      }
      const missing = await idleLook.find(isMissing);
      if (missing === 'all') {
        yield { kind: 'synthesized_end', record: await endOfExpiredResults(record, options) };
        return;
      }
      if (missing === 'some') {
        const newest = record.state === 'running' ? await options.readRecord() : record;
        if (newest === undefined || newest.state === 'running') throw expired(record);
        yield { kind: 'synthesized_end', record: newest };
        return;
      }
      yield { kind: 'idle' };
    }
  } finally {
    reading.abort();
    await reader.stop();
  }
}

/**
 * Where the viewer goes on. `after_end`: it was told of everything, or asks for what never was. `ahead`: it names an
 * event that is not there, so that it would not hear of the end.
 */
async function placeOf(
  { org, id }: QueryRecord,
  { streams, afterSeq }: QueryEventsOptions,
): Promise<'inside' | 'ahead' | 'after_end'> {
  if (afterSeq === 0) return 'inside';
  const last = await streams.last(STREAMS.results.name, STREAM_SUBJECTS.result(org, id)).catch(() => undefined);
  if (last === undefined) return 'ahead';
  if (last.seq > afterSeq) return 'inside';
  if (decodeQueryRecord<ResultEvent>(last.data).t === 'ended') return 'after_end';
  return last.seq === afterSeq ? 'inside' : 'ahead';
}

type WholeCheckOptions = Pick<QueryEventsOptions, 'streams' | 'afterSeq' | 'signal'>;

/**
 * Whether a viewer has all events of a query, who began with the first one, or goes on after one that it has. They go
 * oldest first, by age, by size and where results are deleted, also while they are read: an event that is still kept
 * when later ones were read proves that none between them is missing. What was read before that may go.
 */
class WholeCheck {
  readonly #record: QueryRecord;
  readonly #options: WholeCheckOptions;
  /** The first event that was read since the last proof, and since the stream was asked for one. */
  #unproven: number | undefined;
  #sinceAsked: number | undefined;
  #hasBegun: boolean;

  constructor(record: QueryRecord, options: WholeCheckOptions) {
    this.#record = record;
    this.#options = options;
    this.#hasBegun = options.afterSeq > 0;
    // What came while the viewer was away may have gone before it came back.
    if (this.#hasBegun) this.#unproven = this.#sinceAsked = options.afterSeq;
  }

  lacksBeginning(event: ResultEvent): boolean {
    const isFirst = !this.#hasBegun;
    this.#hasBegun = true;
    return isFirst && !isBeginning(event, event.t === 'ended' ? event.record : this.#record);
  }

  read(seq: number): void {
    this.#unproven ??= seq;
    this.#sinceAsked ??= seq;
  }

  /** Asks the stream, where something was read since the last time. `seq` is the event that was read last, if it is not counted yet. */
  async isOvertaken(seq = this.#unproven): Promise<boolean> {
    const first = this.#unproven ?? seq;
    if (first === undefined) return false;
    this.#sinceAsked = undefined;
    const { streams, signal } = this.#options;
    const isKept = await isStillKept(streams, this.#record, { seq: first, signal });
    this.#unproven = this.#sinceAsked;
    return !isKept;
  }
}

/** What a viewer without news cannot get any more: all events, or some before those that it has read. */
type Missing = 'all' | 'some';

/**
 * Looks at what is kept while no event comes. A broker that does not answer holds nobody up: the look goes on beside
 * the heartbeats, one at a time, and one that fails is repeated.
 */
class IdleLook {
  readonly #clock: Clock;
  #found: Missing | undefined;
  #isLooking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async find(look: () => Promise<Missing | undefined>): Promise<Missing | undefined> {
    if (this.#isLooking) return this.#found;
    this.#isLooking = true;
    const waited = new AbortController();
    const done = look()
      .then(
        (found) => void (this.#found = found),
        () => undefined,
      )
      .finally(() => {
        this.#isLooking = false;
        waited.abort();
      });
    await Promise.race([done, sleep(this.#clock, LOOK_WAIT_MS, waited.signal)]);
    return this.#found;
  }
}

/** Whether nothing is kept of a query that has ended, also since its viewer came, although its last events have had their time to come. */
async function areDeleted(record: QueryRecord, { streams, clock, readRecord }: QueryEventsOptions): Promise<boolean> {
  const isLate = ({ state, endedAtMs = 0 }: QueryRecord): boolean =>
    state !== 'running' && clock.now() - endedAtMs >= LATE_MS;
  if (record.state !== 'running' && !isLate(record)) return false;
  const subject = STREAM_SUBJECTS.result(record.org, record.id);
  if ((await streams.last(STREAMS.results.name, subject).catch(() => null)) !== undefined) return false;
  const newest = record.state === 'running' ? await readRecord().catch(() => undefined) : record;
  return newest !== undefined && isLate(newest);
}

function expired({ id }: QueryRecord): AppError {
  return new AppError('results_expired', `the first rows and outcomes of query ${id} are not kept any more; ask again`);
}

/** The record of an ended query whose results have expired: they are kept for less time than the record. */
async function endOfExpiredResults(known: QueryRecord, { readRecord }: QueryEventsOptions): Promise<QueryRecord> {
  const newest = known.state === 'running' ? await readRecord() : known;
  if (newest !== undefined && newest.state !== 'running') return newest;
  // The stream itself broke off: the viewer reconnects and resumes.
  throw new AppError('broker_unavailable', 'the result stream broke off; connect again');
}
