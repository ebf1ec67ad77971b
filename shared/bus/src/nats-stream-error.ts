import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { StreamError } from './stream-store.js';

/**
 * Whether an error of the server says that there is no room: its own storage, that of the account, or a stream that refuses new entries.
 * The last code is that of every failure of a store.
 */
export function storageFull(code: number | undefined, reason: string): boolean {
  if (code === 10002 || code === 10023 || code === 10047) return true;
  // A cluster looks for servers that have room.
  if (code === 10005) return /insufficient storage/i.test(reason);
  return code === 10077 && /maximum|no space|insufficient/i.test(reason);
}

/** Converts an exception of the driver to the exception of the port. */
export function asStreamError(error: unknown, stream: string): StreamError {
  if (error instanceof StreamError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof JetStreamApiError) {
    if (error.code === JetStreamApiCodes.StreamNotFound) {
      return new StreamError('no_stream', `stream ${stream} does not exist`, error);
    }
    if (storageFull(error.code, reason)) {
      return new StreamError('storage_full', `nats has no room for stream ${stream}: ${reason}`, error);
    }
    if (error.status !== 503) return new StreamError('invalid', `nats refuses stream ${stream}: ${reason}`, error);
  }
  return new StreamError('unavailable', `nats cannot serve stream ${stream}: ${reason}`, error);
}
