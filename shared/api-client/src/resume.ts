import { ConnectionError, isTransient } from './errors.js';
import { pause, pauseBefore } from './retry.js';

export interface ResumeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called when the connection was lost, before it is opened again. */
  readonly onReconnect?: ((attempt: number) => void) | undefined;
}

const MAX_ATTEMPTS = 8;
const MAX_PAUSE_MS = 5_000;

/**
 * Reads a stream to its end over any number of connections. `open` begins after the last item that was taken; `isComplete` says
 * whether a stream that ended in good order has ended for good. A connection that gave an item starts the count of attempts anew.
 * @throws ConnectionError when the server stays away, ApiProblem when it refuses, `incomplete()` when streams keep ending too early
 */
export async function* resumed<T>(
  open: () => AsyncIterable<T>,
  isComplete: () => boolean,
  { signal, onReconnect, incomplete }: ResumeOptions & { readonly incomplete: () => Error },
): AsyncGenerator<T> {
  for (let failures = 0; ; failures += 1) {
    let cause: unknown;
    try {
      for await (const item of open()) {
        failures = 0;
        yield item;
      }
      if (isComplete()) return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isTransient(error) || failures >= MAX_ATTEMPTS) throw error;
      cause = error;
    }
    if (failures >= MAX_ATTEMPTS) throw incomplete();
    onReconnect?.(failures + 1);
    await pause(Math.min(pauseBefore(cause, failures, MAX_PAUSE_MS), MAX_PAUSE_MS), signal);
  }
}

/** What every event has but `heartbeat`: its name, and the number after which a reader goes on. */
interface NumberedEvent {
  readonly event: string;
  readonly seq?: number | null;
}

/**
 * The events of a stream, in order and each once, from the first to `ended`, without heartbeats. `open` is given the number of the
 * last event, and returns undefined when there are no later ones. @throws as {@link resumed}
 */
export async function* followEvents<E extends { readonly event: string }>(
  open: (lastSeq: number | undefined) => AsyncIterable<E> | Promise<AsyncIterable<E> | undefined>,
  options: ResumeOptions = {},
): AsyncGenerator<Exclude<E, { readonly event: 'heartbeat' }>> {
  let lastSeq: number | undefined;
  let over = false;
  const connection = async function* (): AsyncGenerator<E> {
    const events = await open(lastSeq);
    if (events === undefined) over = true;
    else yield* events;
  };
  const incomplete = (): Error =>
    new ConnectionError('cut', 'the event stream ends again and again before its last event');
  for await (const event of resumed(connection, () => over, { ...options, incomplete })) {
    if (event.event === 'heartbeat') continue;
    lastSeq = (event as NumberedEvent).seq ?? lastSeq;
    yield event as Exclude<E, { readonly event: 'heartbeat' }>;
    if (event.event === 'ended') return;
  }
}
