import { StreamError, type StreamStore } from '@muster/bus';
import { AppError } from '@muster/protocol';

/**
 * After which sequence of a stream a viewer goes on: the one that they have seen, or the newest one. A stream that has fewer entries than
 * they have seen is another one, made anew: they go on with its newest. Throws `broker_unavailable`.
 */
export async function newestOf(streams: StreamStore, stream: string, seen: number | undefined): Promise<number> {
  try {
    const newest = await streams.newestSeq(stream);
    return seen === undefined || seen > newest ? newest : seen;
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name !== StreamError.name) throw cause;
    throw new AppError('broker_unavailable', 'events cannot be read now; try again in a moment', { cause });
  }
}
