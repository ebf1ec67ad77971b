import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { StreamError } from './stream-store.js';

/** Converts an exception of the driver to the exception of the port. */
export function asStreamError(error: unknown, stream: string): StreamError {
  if (error instanceof StreamError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof JetStreamApiError) {
    if (error.code === JetStreamApiCodes.StreamNotFound) {
      return new StreamError('no_stream', `stream ${stream} does not exist`, error);
    }
    if (error.status !== 503) return new StreamError('invalid', `nats refuses stream ${stream}: ${reason}`, error);
  }
  return new StreamError('unavailable', `nats cannot serve stream ${stream}: ${reason}`, error);
}
