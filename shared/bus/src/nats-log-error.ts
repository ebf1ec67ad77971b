import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { LogError } from './log.js';

/** What the driver throws, as the port's one exception. */
export function asLogError(error: unknown, stream: string): LogError {
  if (error instanceof LogError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof JetStreamApiError) {
    if (error.code === JetStreamApiCodes.StreamNotFound) {
      return new LogError('no_stream', `stream ${stream} does not exist`, error);
    }
    if (error.status !== 503) return new LogError('invalid', `nats refuses stream ${stream}: ${reason}`, error);
  }
  return new LogError('unavailable', `nats cannot serve stream ${stream}: ${reason}`, error);
}
