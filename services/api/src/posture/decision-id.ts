import { createHash, randomBytes } from 'node:crypto';
import { base32 } from '@muster/protocol';

/**
 * The id of what a call makes. It is the same for each repeat under one idempotency key, so that a service which did
 * it, and whose answer was lost, is not asked for a second one; and for each service that is asked in one call.
 */
export function decisionId(prefix: 'sch' | 'exc', requestKey: string | undefined): string {
  const bytes =
    requestKey === undefined ? randomBytes(9) : createHash('sha256').update(`${prefix}/${requestKey}`).digest();
  return `${prefix}${base32(bytes).slice(0, 13)}`;
}
