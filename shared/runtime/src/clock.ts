/** A pending timer. */
export interface Timer {
  /** Lets the process end although the timer is pending. */
  unref(): unknown;
}

/** Time, passed in so that tests own it. All values are milliseconds. */
export interface Clock {
  /** Wall-clock time since 1970; jumps when the machine's clock is set. For time stamps, expiry, deadlines on the wire. */
  now(): number;
  /** Time since some moment, which never jumps. For measuring how long something takes. */
  monotonic(): number;
  setTimeout(run: () => void, delayMs: number): Timer;
  setInterval(run: () => void, everyMs: number): Timer;
  /** Cancels a timer of this clock; does nothing for one that has fired, was cleared, or is `undefined`. */
  clear(timer: Timer | undefined): void;
}

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (run, delayMs) => setTimeout(run, delayMs),
  setInterval: (run, everyMs) => setInterval(run, everyMs),
  // Every timer that this clock gave out is a Node timer.
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
};

/** Resolves when the time has passed or the signal is aborted, and tells which; never rejects, leaves no timer behind. */
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
