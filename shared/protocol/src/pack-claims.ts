import { z } from 'zod';
import { PERSON_CHARS, STANDING_CHARS } from './command-claims.js';
import { LIMITS } from './limits.js';

/** `typ` of the JWS header of a signed pack. */
export const PACK_TYPE = 'muster-pack+jws';
/** `typ` of the JWS header of a proposal: no agent takes one for a signed pack. */
export const PACK_PROPOSAL_TYPE = 'muster-pack-proposal+jws';
/** How long a proposal waits for the second person. */
export const PACK_PROPOSAL_MS = 7 * 24 * 3_600_000;

/**
 * What the signature of a pack covers: the JWS payload, JSON. `hash` is that of the checks, so the checks themselves
 * need not be sent along.
 */
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
  /** The second person, where a policy asks for one. */
  approver: z.object({ id: z.string().max(PERSON_CHARS), name: z.string().max(PERSON_CHARS) }).optional(),
});
export type PackClaims = z.output<typeof packClaimsSchema>;

const standing = z.string().max(STANDING_CHARS).optional();

/** What the command service vouches for while a pack waits for a second person: who proposed what. Only command services read it. */
export const packProposalSchema = packClaimsSchema.omit({ approver: true }).extend({
  /** SHA-256 of the pack's text: the person who approves has read it, not only its checks. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  operator: packClaimsSchema.shape.operator.extend({ person: standing, origin: standing }),
  /** As the policy was then: neither person may have made the credentials of both. */
  independent: z.boolean(),
});
export type PackProposal = z.output<typeof packProposalSchema>;
