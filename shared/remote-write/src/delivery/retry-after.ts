/** No store makes a sender wait longer than this. */
const MAX_WAIT_MS = 10 * 60_000;

/**
 * The wait that a `Retry-After` header asks for (RFC 9110, 10.2.3: seconds or a date), in milliseconds; 0 without one
 * or where it says nothing.
 */
export function retryAfterMs(header: string | undefined, nowMs: number): number {
  const text = header?.trim() ?? '';
  if (text === '') return 0;
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - nowMs;
  return Number.isFinite(waitMs) ? Math.min(Math.max(waitMs, 0), MAX_WAIT_MS) : 0;
}
