import { isStorageFull } from '@muster/bus';
import { AppError } from '@muster/protocol';

const FULL_RETRY_MS = 30_000;

/** The error of a write that the broker did not take: `storage_full` where it has no room, otherwise `broker_unavailable`. */
export function writeFailure(
  message: string,
  cause: unknown,
  details: Readonly<Record<string, unknown>> = {},
): AppError {
  if (!isStorageFull(cause)) return new AppError('broker_unavailable', message, { details, cause });
  return new AppError('storage_full', `${message}: the storage of the message broker is full`, {
    details: { ...details, carriedOut: false, retryAfterMs: FULL_RETRY_MS },
    cause,
  });
}
