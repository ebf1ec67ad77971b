import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import {
  COMMAND_KEYS_TYPE,
  COMMAND_TYPE,
  LIMITS,
  PACK_PROPOSAL_TYPE,
  PACK_TYPE,
  packProposalSchema,
  type CommandClaims,
  type CommandKeysClaims,
  type PackClaims,
  type PackProposal,
} from '@muster/protocol';
import { keyListFault } from './command-keys.js';
import { openJws, signJws } from './compact-jws.js';
import { generateSigningJwks, type PrivateJwks } from './signing-jwks.js';

/** A new root of trust for commands. It signs key lists, never commands, so it need not be on any server. */
export function generateCommandRoot(): Promise<PrivateJwks> {
  return generateSigningJwks();
}

/**
 * Signs a list of the keys that may sign commands, as a compact JWS. The first key of the document signs. Throws a `TypeError` for a
 * list that agents would refuse.
 */
export function signCommandKeys(root: PrivateJwks, claims: Omit<CommandKeysClaims, 'iss'>): string {
  const { version, keys, retired, iat } = claims;
  const fault = keys.length === 0 ? 'a list needs a key' : keyListFault(claims);
  if (fault !== undefined) throw new TypeError(fault);
  if (!Number.isSafeInteger(version) || version < 1) throw new TypeError('a version is 1 or a higher integer');
  const { kid, key } = firstKey(root);
  return bounded(signJws({ iss: 'muster', version, iat, keys, retired }, { key, kid, typ: COMMAND_KEYS_TYPE }));
}

/** Signs commands, synchronously. */
export class CommandSigner {
  /** The id of the signing key; the key list must contain it. */
  readonly kid: string;
  readonly #key: KeyObject;

  /** The first key of the document signs. Throws a `TypeError` when there is none. */
  constructor(keys: PrivateJwks) {
    ({ kid: this.kid, key: this.#key } = firstKey(keys));
  }

  /** The compact JWS of the claims. Throws a `TypeError` when it would be longer than an agent reads (`LIMITS.jwsBytes`). */
  sign(claims: CommandClaims): string {
    return bounded(signJws(claims, { key: this.#key, kid: this.kid, typ: COMMAND_TYPE }));
  }

  /** Vouches for a pack of checks. Its type is another one, so that no pack can be taken for a command. */
  signPack(claims: PackClaims): string {
    return bounded(signJws(claims, { key: this.#key, kid: this.kid, typ: PACK_TYPE }));
  }

  /** Vouches for who proposed a pack, for {@link openProposal}. Agents take it for nothing. */
  signProposal(claims: PackProposal): string {
    return bounded(signJws(claims, { key: this.#key, kid: this.kid, typ: PACK_PROPOSAL_TYPE }));
  }

  /** What this key signed as a proposal; `undefined` for anything else, also when the key has changed since. */
  openProposal(jws: string): PackProposal | undefined {
    const opened = openJws(jws, {
      ...{ typ: PACK_PROPOSAL_TYPE, maxChars: LIMITS.jwsBytes },
      keyOf: (kid) => (kid === this.kid ? createPublicKey(this.#key) : 'unknown_key'),
    });
    return opened.ok ? packProposalSchema.safeParse(opened.payload).data : undefined;
  }
}

function firstKey(jwks: PrivateJwks): { kid: string; key: KeyObject } {
  const jwk = jwks.keys[0];
  if (jwk === undefined) throw new TypeError('no signing key');
  return { kid: jwk.kid, key: createPrivateKey({ key: { ...jwk }, format: 'jwk' }) };
}

function bounded(jws: string): string {
  if (jws.length <= LIMITS.jwsBytes) return jws;
  throw new TypeError(`the signed text has ${jws.length} characters; agents read ${LIMITS.jwsBytes}`);
}
