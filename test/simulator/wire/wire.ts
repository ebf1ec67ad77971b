/** How a connection ended, whichever way its bytes went. */
export type WireEnd =
  /** The gateway answered the request that opens it, or one within it, with a status that it does not go on after. */
  | { readonly kind: 'refused'; readonly status: number; readonly retryAfterMs: number }
  /** The gateway closed it with this code, or we did. */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** The connection broke or was never made. */
  | { readonly kind: 'lost'; readonly message: string };

/** The owner of a wire. One object, no closures, because there are very many. */
export interface WireOwner {
  opened(): void;
  /** `frame` is valid only during the call; it waited `ageMs` before it was sent, and times in its body count from then. */
  message(frame: Uint8Array, ageMs: number): void;
  heard(): void;
  ended(end: WireEnd): void;
}

/** What carries the frames of one session. */
export interface Wire {
  /** Sends one frame. Does nothing when the wire has ended. */
  send(frame: Uint8Array): void;
  /** Ends in order; what was sent before still arrives. */
  close(code: number): void;
  /** Drops everything at once. */
  destroy(): void;
  /** Where the protocol asks for a heartbeat. */
  sendPing?(data: Uint8Array): void;
}
