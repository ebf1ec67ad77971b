export interface BackoffOptions {
  /** The upper bound of the first delay. */
  readonly baseMs: number;
  /** No delay is longer than this, except where the server asks for more. */
  readonly capMs: number;
  /** How many delays have the same upper bound before it doubles: one for each server that is tried in turn. Default 1. */
  readonly repeats?: number;
  /** A number from 0 up to 1; `Math.random` unless a test needs another. */
  readonly random?: () => number;
}

export interface Backoff {
  /** How many delays were taken since the start or the last reset. */
  readonly attempt: number;
  /**
   * The next delay. `minMs` is what the server asked for at least (`Retry-After`); the jitter comes on top of it. `spreadMs` is the least
   * upper bound of the jitter, where a server knows how many others return at the same time.
   */
  next(minMs?: number, spreadMs?: number): number;
  /** Call it when the attempt succeeded. */
  reset(): void;
}

/**
 * Exponential backoff with full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"): each delay is a random
 * number from 0 to `min(cap, base × 2^attempt)`. The first one too, so that a fleet that was cut off at one moment does not
 * return at one moment. A minimum from the server is added to the jitter, because many agents get the same `Retry-After`.
 */
export function fullJitter({ baseMs, capMs, repeats = 1, random = Math.random }: BackoffOptions): Backoff {
  let attempt = 0;
  return {
    get attempt() {
      return attempt;
    },
    next(minMs = 0, spreadMs = 0) {
      const ceilingMs = Math.max(spreadMs, Math.min(capMs, baseMs * 2 ** Math.min(Math.floor(attempt / repeats), 52)));
      attempt += 1;
      return Math.max(minMs, 0) + Math.floor(random() * ceilingMs);
    },
    reset() {
      attempt = 0;
    },
  };
}
