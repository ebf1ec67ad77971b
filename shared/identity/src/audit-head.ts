import { createPrivateKey } from 'node:crypto';
import { importKeys, type NamedKey } from './command-keys.js';
import { openJws, signJws, type JwsFault } from './compact-jws.js';
import type { PrivateJwks } from './signing-jwks.js';

/**
 * The newest record of an org's audit chain at a moment. Kept in a second place, it shows later that records were cut
 * off or written anew.
 */
export interface AuditHead {
  readonly org: string;
  /** Its sequence in the stream. */
  readonly seq: number;
  /** Its hash, hex, which the next record names. */
  readonly hash: string;
  /** ISO 8601. */
  readonly at: string;
}

export type OpenedAuditHead =
  { readonly ok: true; readonly head: AuditHead } | { readonly ok: false; readonly reason: JwsFault };

const AUDIT_HEAD_TYPE = 'muster-audit-head+jwt';
const MAX_CHARS = 1_024;

/** Signs a head with the first of the keys that sign records, as a compact JWS. Throws a `TypeError` when there is none. */
export function signAuditHead({ org, seq, hash, at }: AuditHead, { keys: [jwk] }: PrivateJwks): string {
  if (jwk === undefined) throw new TypeError('no key to sign heads with');
  const key = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
  return signJws({ iss: 'muster', org, seq, hash, at }, { key, kid: jwk.kid, typ: AUDIT_HEAD_TYPE });
}

/**
 * Reads what {@link signAuditHead} has signed with one of these keys. Throws a `TypeError` for an invalid key; never
 * because of the text.
 */
export function openAuditHead(jws: string, keys: readonly NamedKey[]): OpenedAuditHead {
  const known = importKeys(keys);
  const opened = openJws(jws, {
    typ: AUDIT_HEAD_TYPE,
    maxChars: MAX_CHARS,
    keyOf: (kid) => known.get(kid) ?? 'unknown_key',
  });
  if (!opened.ok) return opened;
  const head = auditHeadOf(opened.payload);
  return head === undefined ? { ok: false, reason: 'malformed' } : { ok: true, head };
}

/** The head that an object of JSON is, if it is one. */
export function auditHeadOf(value: unknown): AuditHead | undefined {
  const { org, seq, hash, at } = (value ?? {}) as Partial<Record<keyof AuditHead, unknown>>;
  const isHead =
    typeof org === 'string' && Number.isSafeInteger(seq) && typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash);
  return isHead && typeof at === 'string' ? { org, seq: Number(seq), hash, at } : undefined;
}
