import { systemClock, sleep, type Clock } from '@muster/runtime';
import type { SequenceWaiters } from './sequence-waiters.js';
import { StreamError, type StreamStore } from './stream-store.js';

/** For so long a reader that is behind is waited for. */
const CURRENT_MS = 5_000;

/**
 * Resolves when a reader of a stream has passed everything of a subject (wildcards allowed; default all) that is kept now.
 * @throws StreamError `unavailable`, also when that takes longer than 5 s, or when the stream was made anew; `no_stream`.
 */
export async function untilCurrent(
  streams: Pick<StreamStore, 'newestSeq' | 'last'>,
  place: Place,
  passed: SequenceWaiters,
  clock: Clock = systemClock,
): Promise<void> {
  const given = new AbortController();
  const late = sleep(clock, CURRENT_MS, given.signal).then(() => false);
  const isThere = await Promise.race([reach(streams, place, passed), late]).finally(() => given.abort());
  if (!isThere) throw new StreamError('unavailable', `the newest of stream ${place.stream} could not be read in time`);
}

interface Place {
  readonly stream: string;
  readonly subject?: string;
}

async function reach(
  streams: Pick<StreamStore, 'newestSeq' | 'last'>,
  { stream, subject = '>' }: Place,
  passed: SequenceWaiters,
): Promise<boolean> {
  const before = passed.highest;
  const newestSeq = await streams.newestSeq(stream);
  // Its reader notices soon, and reads it from its start.
  if (before > newestSeq) throw new StreamError('unavailable', `stream ${stream} was made anew`);
  if (passed.highest >= newestSeq) return true;
  // The newest of the stream may be of another subject, or removed already: only what is kept is ever read.
  const newest = await streams.last(stream, subject);
  return newest === undefined || (await passed.reached(newest.seq));
}
