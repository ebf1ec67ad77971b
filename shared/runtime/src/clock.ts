export interface Timer {
  /** Lets the process end although the timer is pending. */
  unref(): unknown;
}

/** The time, passed in so that tests can control it. All values are milliseconds. */
export interface Clock {
  /** Wall-clock time since 1970; it jumps when the clock is set. For time stamps, expiry, and deadlines on the wire. */
  now(): number;
  /** Time since an arbitrary moment; it never jumps. For durations. */
  monotonic(): number;
  /** A delay or interval over 24 days, which Node.js would take for 1 ms, is one of 24 days. */
  setTimeout(run: () => void, delayMs: number): Timer;
  setInterval(run: () => void, everyMs: number): Timer;
  /** Cancels a timer of this clock; does nothing for one that has fired, was cleared, or is `undefined`. */
  clear(timer: Timer | undefined): void;
}

/** The longest delay of a timer of Node.js. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, Math.min(delayMs, MAX_DELAY_MS)),
  setInterval: (run, everyMs) => setInterval(run, Math.min(everyMs, MAX_DELAY_MS)),
  // Every timer of this clock is a Node timer.
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};

/** Resolves when the time has passed or the signal is aborted, and returns which. Never rejects; leaves no timer behind. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<'elapsed' | 'aborted'> {
  if (signal?.aborted) return Promise.resolve('aborted');
  return new Promise((resolve) => {
    const onAbort = (): void => {
      clock.clear(timer);
      resolve('aborted');
    };
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve('elapsed');
    }, delayMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
