import type { Traced } from './traced.js';

/** What goes with a request to one instance of a service. */
export interface RequestTerms extends Traced {
  /**
   * Until when the instance may begin, on its own clock, which its heartbeats tell. An instance that stood still finds
   * requests that nobody waits for any more, or that another instance has answered. For the queue group: on the clock
   * of the instance that is furthest ahead. Absent: no instance was ever heard.
   */
  readonly expiresAtMs?: number;
}

/** Nobody waits for the answer any more: the request is dropped. */
export function isExpired({ expiresAtMs }: RequestTerms, nowMs: number): boolean {
  return expiresAtMs !== undefined && nowMs > expiresAtMs;
}
