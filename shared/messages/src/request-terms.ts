/** What goes with a request to one instance of a service. */
export interface RequestTerms {
  /**
   * Until when the instance may begin, on its own clock, which its heartbeats tell. An instance that stood still finds requests that
   * nobody waits for any more, or that another instance has answered. Absent: the instance was not chosen by its heartbeats.
   */
  readonly expiresAtMs?: number;
}

/** Nobody waits for the answer any more: the request is dropped. */
export function isExpired({ expiresAtMs }: RequestTerms, nowMs: number): boolean {
  return expiresAtMs !== undefined && nowMs > expiresAtMs;
}
