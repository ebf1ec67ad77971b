/**
 * Something with a life: made stopped, started once, stopped once. Holders of traffic also drain.
 *
 * The signal given to `drain` and `stop` is aborted when their time is over; what is not done by then is left behind.
 */
export interface Component {
  start?(): void | Promise<void>;
  /** Stops taking work and lets work under way end. */
  drain?(signal: AbortSignal): void | Promise<void>;
  /** Gives everything back. May be called without a drain, and must not throw for a part whose start failed half-way. */
  stop?(signal: AbortSignal): void | Promise<void>;
  /** Ports bound by the start, by name; they are logged and written to the ready file. */
  ports?(): Readonly<Record<string, number>>;
}
