import type { WebhookDeliveryRecord } from '@muster/records';
import { withoutBody } from './delivery-store.js';
import type { PostAttempt } from './webhook-post.js';

/** A delivery that was not taken for this long is given up. */
export const DEAD_AFTER_MS = 24 * 3_600_000;
const BASE_MS = 5_000;
const CAP_MS = 3_600_000;
/** The receiver says that it is gone for good (RFC 9110, 15.5.11). */
const GONE = 410;

/** What a delivery is after an attempt. It is sent again after 5 s, doubling to an hour, each less a random part of up to a half. */
export function nextRecord(
  record: WebhookDeliveryRecord,
  { status, error }: PostAttempt,
  nowMs: number,
  random: () => number = Math.random,
): WebhookDeliveryRecord {
  const { nextAtMs: _due, lastError: _before, ...rest } = record;
  const attempts = record.attempts + 1;
  const tried = { ...rest, attempts, lastAttemptAtMs: nowMs, lastStatus: status };
  if (error === undefined) return withoutBody({ ...tried, state: 'delivered' });
  if (status === GONE || nowMs - record.createdAtMs >= DEAD_AFTER_MS)
    return withoutBody({ ...tried, state: 'dead', lastError: error });
  const ceilingMs = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempts - 1, 30));
  const waitMs = Math.ceil(ceilingMs * (1 - random() / 2));
  return { ...tried, state: 'pending', lastError: error, nextAtMs: nowMs + waitMs };
}
