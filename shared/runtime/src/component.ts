/**
 * A unit with a life cycle: created stopped, started once, stopped once. One that holds traffic also drains.
 *
 * The signal given to `drain` and `stop` is aborted when their time is over; the runner then goes on without them.
 */
export interface Component {
  start?(): void | Promise<void>;
  /** Takes no more work, and waits for work under way. */
  drain?(signal: AbortSignal): void | Promise<void>;
  /** Releases everything. May be called without a drain, and must not throw after a start that failed half-way. */
  stop?(signal: AbortSignal): void | Promise<void>;
  /** Ports that were bound by the start, by name; they are logged and written to the ready file. */
  ports?(): Readonly<Record<string, number>>;
}
