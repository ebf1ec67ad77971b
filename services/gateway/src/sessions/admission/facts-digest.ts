import { createHash } from 'node:crypto';
import { encodeCbor, type Facts, type Labels } from '@muster/protocol';

/**
 * A digest of what an agent says of itself. Its token carries it, so that a gateway sees without a look-up whether anything has changed.
 */
export function factsDigest(facts: Facts, labels: Labels): string {
  return createHash('sha256').update(encodeCbor({ facts, labels })).digest('base64url').slice(0, 22);
}
