import { z } from 'zod';
import { PERSON_CHARS } from './command-claims.js';
import { LIMITS } from './limits.js';

/** `typ` of the JWS header of a signed pack. */
export const PACK_TYPE = 'muster-pack+jws';

/** What the signature of a pack covers: the JWS payload, JSON. `hash` is that of the checks, so the checks themselves need not be sent along. */
export const packClaimsSchema = z.object({
  iss: z.literal('muster'),
  org: z.string(),
  pack: z.string().max(100),
  version: z.string().max(64),
  /** SHA-256 of the encoded checks, hexadecimal. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  checks: z.number().int().positive().max(LIMITS.packChecks),
  /** Seconds since 1970. */
  iat: z.number().int(),
  /** Who vouched for it. */
  operator: z.object({ id: z.string().max(PERSON_CHARS), name: z.string().max(PERSON_CHARS) }),
});
export type PackClaims = z.output<typeof packClaimsSchema>;
