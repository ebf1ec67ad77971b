import { shareNext, sleep, systemClock, type Logger } from '@muster/runtime';
import { untilCurrent } from './until-current.js';
import { SequenceWaiters } from './sequence-waiters.js';
import { StreamError, type Entry, type StreamStore } from './stream-store.js';

export interface ViewOptions {
  readonly stream: string;
  /** Only entries of this subject (wildcards allowed). */
  readonly subject?: string;
  /** Applies one entry: first the newest of each subject, then every new one. Must not throw. */
  readonly apply: (entry: Entry) => void;
  /** The stream was created again: forget everything; all entries are applied again. */
  readonly reset?: () => void;
  readonly logger: Logger;
  /** Aborting it ends the view; before it has caught up, `followView` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface FollowedView {
  /** Ends the view; resolves when `apply` will not be called any more. Idempotent. */
  stop(): Promise<void>;
  /**
   * Resolves when everything that is in the stream now has been applied. A process that stood still, or whose reader did, does not know
   * what others wrote meanwhile: before it says that something does not exist, it waits for this.
   * @throws StreamError `unavailable`, also when the stream cannot be read for 5 s; `no_stream`.
   */
  current(): Promise<void>;
}

const RETRY_MS = 1_000;
/** Small records are many: a start that reads 100,000 of them must not wait for the broker every 256. */
const BATCH = 1_000;

/**
 * Keeps a view of a stream's newest entry per subject: calls `apply` for each entry, resolves when all that is stored
 * now has been applied, and then follows new entries. It waits while the broker is away or brings only a part of what
 * it has, and ends with the broker's connection. @throws StreamError when there is no such stream, or the connection
 * was ended, before the view has caught up.
 */
export async function followView(streams: StreamStore, options: ViewOptions): Promise<FollowedView> {
  const stopping = new AbortController();
  const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]);
  const applied = new SequenceWaiters();
  let finished: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    const ended = (error?: unknown) => {
      reject(error ?? signal.reason);
      if (error !== undefined) options.logger.error('view of a stream ended', { stream: options.stream, err: error });
    };
    finished = follow(streams, options, { signal, applied, caughtUp: resolve }).then(() => ended(), ended);
  });
  return {
    stop: () => {
      stopping.abort();
      applied.end();
      return finished;
    },
    current: shareNext(() => untilCurrent(streams, options, applied)),
  };
}

interface Following {
  readonly signal: AbortSignal;
  readonly applied: SequenceWaiters;
  readonly caughtUp: () => void;
}

async function follow(
  streams: StreamStore,
  options: ViewOptions,
  { signal, applied, caughtUp }: Following,
): Promise<void> {
  const { stream, subject } = options;
  let isCaughtUp = false;
  const onCaughtUp = () => {
    isCaughtUp = true;
    caughtUp();
  };
  const filter = { batch: BATCH, ...(subject === undefined ? {} : { subject }) };
  while (!signal.aborted) {
    try {
      const entries = streams.read(stream, { ...filter, lastPerSubject: true, follow: true, signal, onCaughtUp });
      for await (const entry of entries) {
        options.apply(entry);
        applied.pass(entry.seq);
      }
    } catch (error) {
      if (!(error instanceof StreamError) || error.code === 'unavailable') throw error;
      const isStalled = error.code === 'stalled';
      if (error.code !== 'stream_reset' && !isStalled && !isCaughtUp) throw error;
      options.logger.warn('view of a stream is read again from its start', { stream, code: error.code });
      // A deleted stream comes back when a service ensures it again.
      if (error.code !== 'stream_reset') await sleep(systemClock, RETRY_MS, signal);
      // What was applied holds: it was the newest, and is applied again.
      if (isStalled) continue;
      applied.reset();
      options.reset?.();
    }
  }
}
