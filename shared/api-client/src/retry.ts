import { ApiProblem, isTransient } from './errors.js';

/** When a call that failed is made again. */
export interface RetryPolicy {
  /** How often a call is made at most; 1 means that it is never repeated. */
  readonly attempts: number;
  /** The longest pause between two attempts. A server that asks for a longer one is not asked again. */
  readonly maxPauseMs: number;
  /** Called before the pause, with what the attempt before it failed with. */
  readonly onRetry?: ((cause: unknown) => void) | undefined;
}

export const DEFAULT_RETRY: RetryPolicy = { attempts: 4, maxPauseMs: 10_000 };

const FIRST_PAUSE_MS = 200;

/**
 * Makes a call until it succeeds, fails for good, or has failed `attempts` times. The pause doubles, and is never shorter than what
 * `Retry-After` says. @throws what the last attempt threw, or the reason of `signal`
 */
export async function withRetries<T>(
  attempt: () => Promise<T>,
  { attempts, maxPauseMs, onRetry }: RetryPolicy,
  options: { readonly idempotent: boolean; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  const failures: unknown[] = [];
  for (let made = 1; ; made += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof ApiProblem) error.earlier = [...failures];
      failures.push(error);
      if (made >= attempts || options.signal?.aborted === true || !mayRepeat(error, options.idempotent)) throw error;
      const pauseMs = pauseBefore(error, made - 1, maxPauseMs);
      if (pauseMs > maxPauseMs) throw error;
      onRetry?.(error);
      await pause(pauseMs, options.signal);
    }
  }
}

/** Only a call that was refused because of the rate has surely done nothing; others are repeated when they are idempotent. */
function mayRepeat(error: unknown, idempotent: boolean): boolean {
  return error instanceof ApiProblem && error.status === 429 ? true : idempotent && isTransient(error);
}

/**
 * Milliseconds until the next attempt. They double up to `maxMs` and are random, so that many clients do not come back together.
 * They are never fewer than what `Retry-After` says, which may be more than `maxMs`.
 */
export function pauseBefore(error: unknown, failures: number, maxMs: number): number {
  const asked = error instanceof ApiProblem ? (error.retryAfterMs ?? 0) : 0;
  return Math.max(asked, Math.min(FIRST_PAUSE_MS * 2 ** failures, maxMs) * (0.5 + Math.random() / 2));
}

/** Resolves after `ms`. @throws the reason of `signal` as soon as it is aborted */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const onAbort = (): void => {
      clearTimeout(timer);
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason is the caller's own
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** `Retry-After` in milliseconds: seconds or an HTTP date. */
export function parseRetryAfter(text: string | null, nowMs: number): number | undefined {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1_000;
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}
