const FIRST_WAIT_MS = 2;
const LONGEST_WAIT_MS = 100;

type Truthy<T> = Exclude<T, false | undefined | null | 0 | ''>;

/**
 * Resolves with the condition's value as soon as it is truthy. Asks at once, then after 2 ms, and ever less often up to every 100 ms.
 * A condition that throws does not hold yet.
 * @throws after `withinMs` with `what` in the message; the cause is the last error that the condition threw.
 */
export async function eventually<T>(
  condition: () => T | Promise<T>,
  what = 'the condition',
  withinMs = 60_000,
): Promise<Truthy<T>> {
  const deadlineMs = performance.now() + withinMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_WAIT_MS)) {
    let cause: unknown;
    try {
      const value = await condition();
      if (value) return value as Truthy<T>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadlineMs) {
      const reason = cause instanceof Error ? `: ${cause.message}` : '';
      throw new Error(`not within ${withinMs} ms: ${what}${reason}`, { cause });
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }
}
