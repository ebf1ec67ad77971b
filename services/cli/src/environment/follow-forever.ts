import { ConnectionError } from '@muster/api-client';

/**
 * The events of a stream that never ends by itself, for as long as somebody looks. `open` begins after the last event;
 * the client that it calls has tried for half a minute when it gives up, and is then called again. Ends at the signal.
 * @throws ConnectionError when the server cannot be reached in the first place, ApiProblem when it refuses
 */
export async function* followForever<T>(
  open: () => AsyncIterable<T>,
  { signal, onLost }: { readonly signal: AbortSignal; readonly onLost: () => void },
): AsyncGenerator<T> {
  let hasBegun = false;
  while (!signal.aborted) {
    try {
      for await (const event of open()) {
        hasBegun = true;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!hasBegun || !(error instanceof ConnectionError)) throw error;
      onLost();
    }
  }
}
