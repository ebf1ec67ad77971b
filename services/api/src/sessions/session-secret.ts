import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { base32, isOrgId, type OrgId } from '@muster/protocol';

/**
 * What a browser holds of a session, and what the code of a link is: `<org>.<id>.<secret>`. The org leads to the record, of which only a
 * hash of the secret is kept: 256 random bits need no slow one.
 */
export interface SessionSecret {
  readonly org: OrgId;
  readonly id: string;
  readonly secret: string;
}

/** Before the code of a link, so that scanners of secrets find one. */
export const LINK_PREFIX = 'msl_';

export function mintSecret(org: OrgId): SessionSecret {
  return { org, id: `s${base32(randomBytes(10))}`, secret: newSecret() };
}

export function newSecret(): string {
  return base32(randomBytes(32));
}

export function secretText({ org, id, secret }: SessionSecret): string {
  return `${org}.${id}.${secret}`;
}

export function parseSecret(text: string): SessionSecret | undefined {
  const [, org, id, secret] = /^([^.]{1,64})\.(s[a-z2-7]{16})\.([a-z2-7]{52})$/.exec(text) ?? [];
  if (org === undefined || id === undefined || secret === undefined || !isOrgId(org)) return undefined;
  return { org, id, secret };
}

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

/** Compares in constant time. */
export function secretMatches(secret: string, hash: string): boolean {
  const expected = Buffer.from(hash, 'hex');
  const presented = createHash('sha256').update(secret).digest();
  return expected.length === presented.length && timingSafeEqual(expected, presented);
}
