import type { JetStreamManager } from '@nats-io/jetstream';
import { StreamError, type CatchUp, type Entry, type ReadOptions } from './stream-store.js';
import { lost, type NatsLink } from './nats-link.js';
import { asStreamError } from './nats-stream-error.js';
import { MAX_BATCH, type OpenReader, type ReaderRequest, type RequestPull } from './nats-readers.js';
import { NatsPull, type Idle } from './nats-pull.js';
import { PullSize } from './pull-size.js';
import { ReadCursor } from './read-cursor.js';

const DEFAULT_BATCH = 256;
/** Together with the reopening, a lost request costs 2 s. */
const DEFAULT_HEARTBEAT_MS = 750;
/** Who waits for the end is told soon that it is there, where the newest entry was removed. */
const END_HEARTBEAT_MS = 200;
/** After so many heartbeats that did not come the server is asked whether it is alive. */
const MISSED_HEARTBEATS = 2;
const RETRY_MS = 250;
/** The filter that matches everything; LastPerSubject needs one. */
const EVERYTHING = '>';

/** What readers share: the connection, and who is catching up. */
export interface ReaderContext {
  readonly link: NatsLink;
  readonly jsm: () => Promise<JetStreamManager>;
  /** The sequence of the newest entry of a subject (wildcards allowed); 0 when there is none. */
  readonly newestOf: (stream: string, subject: string) => Promise<number>;
  readonly openReader: OpenReader;
  readonly requestPull: RequestPull;
  readonly catchingUp: Set<CatchUp>;
}

/**
 * Reads through one ephemeral pull consumer without acknowledgements. The server numbers its deliveries. A missing number, a
 * missed heartbeat, a lost connection or a deleted consumer means that entries are missing. The reader then opens a new
 * consumer, which starts after the last sequence that was yielded. It yields what has arrived together: a promise for each entry would cost
 * as much as the entry.
 *
 *   open ──▶ pull ⇄ yield ──▶ caught up ──▶ end, or wait for more (follow)
 *     ▲        │ lost, or fewer than announced
 *     └────────┘
 */
export async function* readStream(
  context: ReaderContext,
  stream: string,
  options: ReadOptions,
): AsyncGenerator<readonly Entry[], void, undefined> {
  const { catchingUp } = context;
  const cursor = new ReadCursor(stream, options);
  const size = new PullSize(Math.min(MAX_BATCH, Math.max(1, options.batch ?? DEFAULT_BATCH)));
  const endsCaughtUp = (): boolean => {
    catchingUp.delete(cursor);
    return cursor.catchUp();
  };
  if (options.onCaughtUp !== undefined) catchingUp.add(cursor);
  try {
    for (;;) {
      const pull = await open(context, stream, { cursor, size, options });
      if (pull === undefined) return;
      try {
        if (cursor.isEmpty && endsCaughtUp()) return;
        for (;;) {
          const arrived = await pull.next();
          if (arrived === 'lost') break;
          const entries = 'upToSeq' in arrived ? [] : cursor.take(arrived);
          const stored = entries.slice(0, cursor.storedAtStart(entries));
          if (stored.length > 0) yield stored;
          // Then the rest of them was not taken.
          if (options.signal?.aborted === true) break;
          const state = cursor.caughtUp ? 'more' : judge(cursor, { arrived, stored }, pull.received);
          if (state === 'gap') break;
          if (state === 'complete' && endsCaughtUp()) return;
          if (entries.length > stored.length) yield entries.slice(stored.length);
        }
      } finally {
        pull.close();
      }
    }
  } finally {
    catchingUp.delete(cursor);
  }
}

interface Arrived {
  readonly arrived: readonly Entry[] | Idle;
  /** Those of them that were stored at the start. */
  readonly stored: readonly Entry[];
}

function judge(cursor: ReadCursor, { arrived, stored }: Arrived, received: number): ReturnType<ReadCursor['judge']> {
  if ('upToSeq' in arrived) return cursor.judgeIdle(arrived, received);
  const last = stored.at(-1);
  return last === undefined ? 'more' : cursor.judge(last, received);
}

interface Reading {
  readonly cursor: ReadCursor;
  readonly size: PullSize;
  readonly options: ReadOptions;
}

/** Opens a consumer, with retries; undefined when the signal was aborted. */
async function open(
  { link, jsm: manager, newestOf, openReader, requestPull }: ReaderContext,
  stream: string,
  { cursor, size, options }: Reading,
): Promise<NatsPull | undefined> {
  const { signal, subject = EVERYTHING, heartbeatMs: wantedMs = DEFAULT_HEARTBEAT_MS } = options;
  const waitsForEnd = options.follow !== true || options.onCaughtUp !== undefined;
  const heartbeatMs = (): number => (waitsForEnd && !cursor.caughtUp ? Math.min(wantedMs, END_HEARTBEAT_MS) : wantedMs);
  const silenceMs = MISSED_HEARTBEATS * wantedMs;
  const jsm = await manager();
  for (;;) {
    if (!(await link.whenConnected(signal))) {
      if (signal?.aborted === true) return undefined;
      throw new StreamError('unavailable', `the connection to nats was ended while reading ${stream}`);
    }
    try {
      // Alone they would run into their timeout, and a reader that is stopped meanwhile would not end before that.
      const newestOfSubject = subject === EVERYTHING ? undefined : newestOf(stream, subject);
      const asked = await link.orLost(Promise.all([jsm.streams.info(stream), newestOfSubject]), signal);
      if (asked === lost) continue;
      const [found, newestSeq = found.state.last_seq] = asked;
      cursor.open(found, newestSeq);
      const start = startOf(cursor, found.config.max_msgs_per_subject === 1, options);
      const opening = openReader({ stream, subject, ...start });
      const opened = await link.orLost(opening, signal);
      if (opened === lost) continue;
      cursor.announce(opened.pending, start.lastPerSubject === true, found.state.last_seq);
      const consumer = opened.name;
      return new NatsPull(link, { stream, consumer, size, heartbeatMs, silenceMs, signal, requestPull });
    } catch (error) {
      const failure = asStreamError(error, stream);
      if (failure.code !== 'unavailable') throw failure;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/**
 * Where a stream keeps one entry per subject, all entries are the newest ones. They are read as all entries, because that consumer of
 * nats-server 2.9 skips nothing, whatever ends a request.
 */
function startOf(
  cursor: ReadCursor,
  isMap: boolean,
  options: ReadOptions,
): Pick<ReaderRequest, 'fromSeq' | 'lastPerSubject'> {
  const from = cursor.next ?? options.fromSeq;
  if (from !== undefined) return { fromSeq: from };
  return options.lastPerSubject === true && !isMap ? { lastPerSubject: true } : {};
}
