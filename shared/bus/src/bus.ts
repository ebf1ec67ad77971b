/**
 * The port to the broker's live side: what is said now, to whoever listens now.
 *
 * Delivery: at most once. A message reaches the subscribers that are connected when it passes; nobody else ever sees it.
 * Whoever needs more repeats the question (`request`) or keeps it (`Log`).
 *
 * Ordering: messages of one publisher on one subject arrive at one subscriber in the order they were published.
 * Nothing is promised across publishers, or between subjects of one publisher that are heard by different subscriptions.
 *
 * Atomicity: one message is all or nothing. There is no transaction over several.
 *
 * What the caller owes: batches instead of many small messages (every publish may cost a socket write), subjects built
 * by `@muster/protocol`, and a look at the result of every `publish`.
 */
export interface Bus {
  /** False from the moment the connection is lost until it is back. */
  readonly connected: boolean;
  /** The largest body one message may carry, in bytes; larger ones are a bug of the caller and throw `RangeError`. */
  readonly maxPayloadBytes: number;

  /**
   * Hands a message to the connection; never waits, never throws for a lost connection.
   * `data` belongs to the bus until the current turn of the event loop is over: do not overwrite it before.
   * Nothing is kept for the time after a reconnect: a live message that comes late is worth nothing.
   */
  publish(subject: string, data: Uint8Array): PublishResult;

  /**
   * Calls `handler` for each message, in order, synchronously from the socket's callback: it must not block.
   * `subject` may hold the wildcards `*` (one token) and `>` (the rest). Subscriptions outlive reconnects.
   * With `queue`, each message goes to one member of the queue group.
   * A handler that throws is logged and counted; the subscription goes on.
   */
  subscribe(subject: string, handler: (message: BusMessage) => void, options?: SubscribeOptions): BusSubscription;

  /**
   * Asks and takes the first reply. Every way in which no reply comes is a result, not an exception.
   * `no_responders` comes at once when nobody subscribes to the subject: that is the sign of a dead peer.
   * It does not say whether the question was acted on, except for `no_responders` (it was not).
   */
  request(subject: string, data: Uint8Array, options: RequestOptions): Promise<RequestResult>;

  /** A subject nobody else uses, for replies that come as a stream; subscribe to it first, then tell others. */
  newInbox(): string;

  /**
   * Resolves true once the broker has processed everything published and subscribed before the call,
   * false when it cannot say so within `timeoutMs` (default 5,000).
   */
  flush(timeoutMs?: number): Promise<boolean>;

  /** Tells of every loss and return of the connection; returns the function that ends the telling. */
  onConnectionChange(listener: (connected: boolean) => void): () => void;

  /** Counters since the connection was made. */
  stats(): BusStats;
}

/**
 * `dropped`: disconnected, stopped, or the broker is so slow that the bounded buffer is full. The message is gone; it was counted.
 * `sent` is no receipt: the connection may break with the message still on its way.
 */
export type PublishResult = 'sent' | 'dropped';

export interface BusMessage {
  readonly subject: string;
  /** Never overwritten, but a view of a larger receive buffer: `slice()` what is kept for long. */
  readonly data: Uint8Array;
  /** Present when the sender waits for a reply; at most the first reply is heard. */
  readonly reply?: (data: Uint8Array) => PublishResult;
}

export interface SubscribeOptions {
  /** Name of the queue group. */
  readonly queue?: string;
}

export interface BusSubscription {
  /** No handler call happens after this returns. Idempotent. */
  unsubscribe(): void;
}

export interface RequestOptions {
  readonly timeoutMs: number;
}

export type RequestResult =
  | { readonly kind: 'reply'; readonly data: Uint8Array }
  | { readonly kind: 'no_responders' }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'disconnected' };

export interface BusStats {
  readonly messagesOut: number;
  readonly bytesOut: number;
  readonly messagesIn: number;
  readonly bytesIn: number;
  /** Messages that `publish` or `reply` answered with `dropped`. */
  readonly dropped: number;
  /** Handler calls that threw. */
  readonly handlerErrors: number;
  readonly reconnects: number;
}
