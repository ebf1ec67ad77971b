import { systemClock, sleep, type Clock } from '@muster/runtime';
import type { SequenceWaiters } from './sequence-waiters.js';
import { StreamError, type StreamStore } from './stream-store.js';

/** For so long a reader that is behind is waited for. */
const CURRENT_MS = 5_000;

/**
 * Resolves when a reader of a stream has passed everything of a subject (wildcards allowed; default all) that is kept now.
 * @throws StreamError `unavailable`, also when the reader is not there within 5 s; `no_stream`.
 */
export async function untilCurrent(
  streams: Pick<StreamStore, 'newestSeq' | 'last'>,
  { stream, subject = '>' }: { readonly stream: string; readonly subject?: string },
  passed: SequenceWaiters,
  clock: Clock = systemClock,
): Promise<void> {
  if (passed.highest >= (await streams.newestSeq(stream))) return;
  // The newest of the stream may be of another subject, or removed already: only what is kept is ever read.
  const newest = await streams.last(stream, subject);
  if (newest === undefined || passed.highest >= newest.seq) return;
  const given = new AbortController();
  const late = sleep(clock, CURRENT_MS, given.signal).then(() => false);
  const isThere = await Promise.race([passed.reached(newest.seq), late]).finally(() => given.abort());
  if (!isThere) throw new StreamError('unavailable', `the newest of stream ${stream} could not be read in time`);
}
