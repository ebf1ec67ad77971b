import type { Logger } from '@muster/runtime';
import { StreamError, type Entry, type StreamStore } from './stream-store.js';

export interface ViewOptions {
  readonly stream: string;
  /** Only entries of this subject (wildcards allowed). */
  readonly subject?: string;
  /** Folds one entry in. Newest of each subject first time round, then everything new; must not throw. */
  readonly apply: (entry: Entry) => void;
  /** The stream was emptied and began again: forget everything; all entries are applied anew. */
  readonly reset?: () => void;
  readonly logger: Logger;
  /** Aborting it gives up: before the view has caught up, `followView` rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface FollowedView {
  /** Ends the following; resolves when `apply` will not be called any more. Idempotent. */
  stop(): Promise<void>;
}

const RETRY_MS = 1_000;

/**
 * Keeps a view of a stream's newest entry per subject: calls `apply` for each, resolves once all that is kept now has been
 * applied, then goes on with what comes. Outages are waited out; the end of the broker's connection ends the following.
 * @throws StreamError when the stream cannot be read at all before the view has caught up.
 */
export async function followView(streams: StreamStore, options: ViewOptions): Promise<FollowedView> {
  const stopping = new AbortController();
  const signal = options.signal === undefined ? stopping.signal : AbortSignal.any([stopping.signal, options.signal]);
  let finished: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    const ended = (error?: unknown) => {
      reject(error ?? signal.reason);
      if (error !== undefined) options.logger.error('view of a stream ended', { stream: options.stream, err: error });
    };
    finished = follow(streams, options, signal, resolve).then(() => ended(), ended);
  });
  return {
    stop: () => {
      stopping.abort();
      return finished;
    },
  };
}

async function follow(
  streams: StreamStore,
  options: ViewOptions,
  signal: AbortSignal,
  caughtUp: () => void,
): Promise<void> {
  const { stream, subject } = options;
  let isCaughtUp = false;
  const onCaughtUp = () => {
    isCaughtUp = true;
    caughtUp();
  };
  const filter = subject === undefined ? {} : { subject };
  while (!signal.aborted) {
    try {
      const entries = streams.read(stream, { ...filter, lastPerSubject: true, follow: true, signal, onCaughtUp });
      for await (const entry of entries) options.apply(entry);
    } catch (error) {
      if (!(error instanceof StreamError) || error.code === 'unavailable') throw error;
      if (error.code !== 'stream_reset' && !isCaughtUp) throw error;
      options.logger.warn('view of a stream begins again', { stream, code: error.code });
      // A stream that is gone comes back when somebody ensures it again.
      if (error.code !== 'stream_reset') await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      options.reset?.();
    }
  }
}
