/**
 * The port to the broker's live side: messages to whoever is subscribed now.
 *
 * Delivery: at most once. A message reaches the subscribers that are connected when it passes, and nobody later.
 * A sender that needs more repeats a `request`, or appends to a `StreamStore`.
 *
 * Ordering: messages of one publisher on one subject arrive at one subscriber in the order in which they were published.
 * There is no order across publishers, or between subjects that different subscriptions receive.
 *
 * Atomicity: one message is delivered whole or not at all. There are no transactions.
 *
 * Duties of the caller: send batches instead of many small messages, because every publish may cost a socket write. Take
 * subjects from `@muster/messages`. Check the result of every `publish`.
 */
export interface Bus {
  /** False from the moment the connection is lost until it is back. */
  readonly connected: boolean;
  /** The largest body of a message, in bytes. A larger one is a bug of the caller and throws `RangeError`. */
  readonly maxPayloadBytes: number;

  /**
   * Hands a message to the connection; never waits, never throws for a lost connection.
   * `data` belongs to the bus until the current turn of the event loop is over: do not overwrite it before.
   * Nothing is buffered for the time after a reconnect, because a late live message is worthless.
   */
  publish(subject: string, data: Uint8Array): PublishResult;

  /**
   * Calls `handler` for each message, in order, synchronously from the socket's callback: it must not block.
   * `subject` may hold the wildcards `*` (one token) and `>` (the rest). Subscriptions outlive reconnects.
   * With `queue`, each message goes to one member of the queue group.
   * An exception of the handler is logged and counted; the subscription continues.
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription;

  /**
   * Sends a request and returns the first reply. A missing reply is a result, never an exception.
   * `no_responders` comes at once when nobody subscribes to the subject: the peer is dead, and the request was not handled.
   * With `timeout` and `disconnected` it is unknown whether the request was handled.
   */
  request(subject: string, data: Uint8Array, options: { readonly timeoutMs: number }): Promise<RequestResult>;

  /**
   * Resolves with true once the broker has processed everything that was published and subscribed before the call.
   * Resolves with false when it does not answer within `timeoutMs` (default 5,000).
   */
  flush(timeoutMs?: number): Promise<boolean>;

  /** Calls the listener at every loss and return of the connection. The returned function removes the listener. */
  onConnectionChange(listener: (connected: boolean) => void): () => void;

  /** Counters since the connection was made. */
  stats(): BusStats;
}

/**
 * `dropped`: disconnected, stopped, or the bounded buffer is full because the broker is slow. The message is lost and counted.
 * `sent` is no receipt: the connection may still break before the message arrives.
 */
export type PublishResult = 'sent' | 'dropped';

export interface BusMessage {
  readonly subject: string;
  /** Never overwritten, but a view of a larger receive buffer: `slice()` what is kept for long. */
  readonly data: Uint8Array;
  /** Present when the sender waits for a reply; only the first reply counts. */
  readonly reply?: (data: Uint8Array) => PublishResult;
}

export interface BusSubscription {
  /** No handler call happens after this returns. Idempotent. */
  unsubscribe(): void;
}

export type RequestResult =
  | { readonly kind: 'reply'; readonly data: Uint8Array }
  | { readonly kind: 'no_responders' }
  | { readonly kind: 'timeout' }
  /** `mayHaveArrived`: it was sent before the connection was lost; otherwise nobody has it. */
  | { readonly kind: 'disconnected'; readonly mayHaveArrived?: true };

export interface BusStats {
  readonly messagesOut: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly bytesIn: number;
  /** Messages that `publish` or `reply` answered with `dropped`. */
  readonly dropped: number;
  readonly handlerErrors: number;
  readonly reconnects: number;
  /** What the broker did not allow: the user of this connection has not the right. */
  readonly refused: number;
}
