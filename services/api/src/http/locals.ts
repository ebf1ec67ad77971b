import type { Span } from '@muster/runtime';
import type { Response } from 'express';
import type { ClientConnection } from './client-connection.js';

/** What the first middleware records of a request. */
export interface RequestLocals {
  requestId: string;
  /** By `performance.now()`. */
  startedMs: number;
  /** From the moment that the caller is known. */
  span: Span;
  from: string;
  client: ClientConnection;
  /** The route's template, for metrics and logs. */
  route: string;
  /** Set for event streams and downloads, whose duration is not a latency. */
  isStream?: boolean;
}

export function localsOf(response: Response): RequestLocals {
  // Filled by the first middleware, before any route runs.
  return response.locals as RequestLocals;
}
