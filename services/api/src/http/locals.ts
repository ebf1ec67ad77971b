import type { Response } from 'express';

/** What the middlewares know of a request. */
export interface RequestLocals {
  requestId: string;
  from: string;
  /** The route's template, for metrics and logs. */
  route: string;
  /** Set for answers that last as long as somebody looks; they would spoil the latencies. */
  isStream?: boolean;
}

export function localsOf(response: Response): RequestLocals {
  // Filled by the first middleware, before any route runs.
  return response.locals as RequestLocals;
}
