import { StreamError, type Entry, type ReadOptions, type StreamStore } from './stream-store.js';
import { late, within } from './within.js';

/** Somewhat longer than a reader needs to notice that a request was lost, twice. */
const PATIENCE_MS = 5_000;

/**
 * `read` for who waits for the answer: a reader alone goes on when the broker is back, however long that takes.
 * @throws StreamError `unavailable` when the next entry, or the end, does not come within `patienceMs`; and as `read` does.
 */
export async function* readInTime(
  streams: Pick<StreamStore, 'read'>,
  stream: string,
  options: Omit<ReadOptions, 'follow'>,
  patienceMs = PATIENCE_MS,
): AsyncGenerator<Entry, void, undefined> {
  const ended = new AbortController();
  const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
  const entries = streams.read(stream, { ...options, signal })[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await within(patienceMs, entries.next());
      if (next === late) throw new StreamError('unavailable', `stream ${stream} could not be read in time`);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    ended.abort();
    // Not waited for: it may stand still with its reader.
    entries.return?.().catch(() => undefined);
  }
}
