import type { KeyObject } from 'node:crypto';
import { COMMAND_KEYS_TYPE, commandKeysClaimsSchema, LIMITS, type CommandKeysClaims } from '@muster/protocol';
import { openJws, type JwsFault } from './compact-jws.js';
import { importPublicKey, isPublicKeyX } from './ed25519.js';

/** A public key by its id, as agents pin it. */
export interface NamedKey {
  readonly kid: string;
  /** base64url of the raw 32 bytes. */
  readonly x: string;
}

export type CommandKeysResult =
  { readonly ok: true; readonly claims: CommandKeysClaims } | { readonly ok: false; readonly reason: JwsFault };

/**
 * Reads a list of command signing keys that one of the roots has signed. The caller checks whether it is newer than another one.
 * Throws a `TypeError` for an invalid root; never because of the list.
 */
export function readCommandKeys(jws: string, roots: readonly NamedKey[]): CommandKeysResult {
  return openCommandKeys(jws, importKeys(roots));
}

/** As `readCommandKeys`, with imported keys. */
export function openCommandKeys(jws: string, roots: ReadonlyMap<string, KeyObject>): CommandKeysResult {
  const opened = openJws(jws, {
    typ: COMMAND_KEYS_TYPE,
    maxChars: LIMITS.jwsBytes,
    keyOf: (kid) => roots.get(kid) ?? 'unknown_key',
  });
  if (!opened.ok) return opened;
  const claims = commandKeysClaimsSchema.safeParse(opened.payload);
  if (!claims.success || keyListFault(claims.data) !== undefined) return { ok: false, reason: 'malformed' };
  return { ok: true, claims: claims.data };
}

/** What is wrong with the keys of a list; `undefined` when nothing is. */
export function keyListFault({ keys, retired }: Pick<CommandKeysClaims, 'keys' | 'retired'>): string | undefined {
  const seen = new Set<string>();
  for (const { kid, x } of keys) {
    if (seen.has(kid)) return `key ${kid} is in the list twice`;
    if (retired.includes(kid)) return `key ${kid} is both current and retired`;
    if (!isPublicKeyX(x)) return `key ${kid} is not an Ed25519 public key`;
    seen.add(kid);
  }
  return undefined;
}

/** Imports keys, by their ids. Throws a `TypeError` for an invalid one. */
export function importKeys(keys: readonly NamedKey[]): Map<string, KeyObject> {
  return new Map(
    keys.map(({ kid, x }) => {
      const key = importPublicKey(x);
      if (key === undefined) throw new TypeError(`key ${kid} is not an Ed25519 public key`);
      return [kid, key];
    }),
  );
}
