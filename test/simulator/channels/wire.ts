/** How a connection ended, over either channel. */
export type WireEnd =
  /** The gateway answered the opening request, or a later one, with a status that ends the session. */
  | { readonly kind: 'refused'; readonly status: number; readonly retryAfterMs: number }
  /** Either side closed it with this code. */
  | { readonly kind: 'closed'; readonly code: number; readonly reason: string }
  /** The connection broke, or was never established. */
  | { readonly kind: 'lost'; readonly message: string };

/** The owner of a wire. One object without closures, because there are very many. */
export interface WireOwner {
  opened(): void;
  /** `frame` is valid only during the call. It waited for `ageMs` at the gateway; times in its body count from before that wait. */
  message(frame: Uint8Array, ageMs: number): void;
  /** Something was received, also a control frame. */
  active(): void;
  ended(end: WireEnd): void;
}

/** Carries the frames of one session. */
export interface Wire {
  /** Sends one frame. Does nothing when the wire has ended. */
  send(frame: Uint8Array): void;
  /** Sends one frame with the next poll. Absent where it costs nothing to send at once. */
  sendLater?(frame: Uint8Array): void;
  /** Closes it. What was sent before still arrives. */
  close(code: number): void;
  /** Drops the connection at once. */
  destroy(): void;
  /** Present where the protocol requires a heartbeat. */
  sendPing?(data: Uint8Array): void;
}
