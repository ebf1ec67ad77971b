import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import {
  COMMAND_TYPE,
  commandClaimsSchema,
  LIMITS,
  PACK_TYPE,
  packClaimsSchema,
  type CommandClaims,
  type CommandKeysClaims,
  type PackClaims,
} from '@muster/protocol';
import { importKeys, openCommandKeys, type CommandKeysResult, type NamedKey } from './command-keys.js';
import { openJws, type JwsFault } from './compact-jws.js';
import { decodeBase64Url } from './ed25519.js';

export type CommandKeysFault =
  | JwsFault
  /** Authentic, but older than the known one. A delivery may carry it; the command is still valid if the newer list has its key. */
  | 'older_version'
  /** Authentic, but another list has the same version: the next list needs a higher one. */
  | 'same_version';

export type AcceptedKeys =
  | {
      readonly ok: true;
      readonly version: number;
      /** The version is higher than all before: it must be stored durably before a command is accepted because of it. */
      readonly isNew: boolean;
    }
  | { readonly ok: false; readonly reason: CommandKeysFault };

/** `retired_key`: retired by the newest list, or expired there. */
export type CommandFault = JwsFault | 'retired_key';

export type VerifiedCommand =
  | {
      readonly ok: true;
      readonly claims: CommandClaims;
      /** Root of the target tree, 32 bytes. */
      readonly root: Uint8Array;
    }
  | { readonly ok: false; readonly reason: CommandFault };

export type VerifiedPack =
  { readonly ok: true; readonly claims: PackClaims } | { readonly ok: false; readonly reason: CommandFault };

export interface CommandVerifierOptions {
  /** The pinned roots. */
  readonly roots: readonly NamedKey[];
  /** The highest version of the key list that was ever accepted: older lists are refused, also after a restart. */
  readonly knownVersion?: number;
  /** Milliseconds since 1970; used for the expiry of keys only. */
  readonly now?: () => number;
}

/** Total length of the cached commands, in characters. */
const CACHE_CHARS = 1024 * 1024;
/** A key rotation needs two lists. */
const CACHED_LISTS = 8;

type CachedCommand = Extract<VerifiedCommand, { ok: true }> & { readonly kid: string };

/**
 * Verifies that a command is signed by a key that one of the pinned roots has listed. Expiry, org and targets are checked by the
 * caller, with the claims.
 *
 * Verified commands are cached by their text, so that a repeated delivery, or many agents in one process, cost a look-up. Whether the
 * key has been retired is checked every time.
 */
export class CommandVerifier {
  readonly #roots: ReadonlyMap<string, KeyObject>;
  readonly #now: () => number;
  readonly #lists = new LRUCache<string, CommandKeysResult>({ max: CACHED_LISTS });
  readonly #commands = new LRUCache<string, CachedCommand>({
    maxSize: CACHE_CHARS,
    sizeCalculation: (_command, jws) => jws.length,
  });
  #version: number;
  #current: CommandKeysClaims | undefined;
  #keys: ReadonlyMap<string, KeyObject> = new Map();

  /** Throws a `TypeError` for an invalid root. */
  constructor({ roots, knownVersion = 0, now = Date.now }: CommandVerifierOptions) {
    this.#roots = importKeys(roots);
    this.#version = knownVersion;
    this.#now = now;
  }

  /** Takes a key list unless it is older than what is known. Never throws. */
  acceptKeys(jws: string): AcceptedKeys {
    const read = this.#readList(jws);
    if (!read.ok) return read;
    const { version } = read.claims;
    if (version < this.#version) return { ok: false, reason: 'older_version' };
    if (version === this.#current?.version) {
      return sameKeys(read.claims, this.#current)
        ? { ok: true, version, isNew: false }
        : { ok: false, reason: 'same_version' };
    }
    const isNew = version > this.#version;
    this.#version = version;
    this.#current = read.claims;
    this.#keys = importKeys(read.claims.keys);
    // A key id may name another key now.
    this.#commands.clear();
    return { ok: true, version, isNew };
  }

  /** Checks a command's signature against the newest accepted list. Never throws. */
  verify(jws: string): VerifiedCommand {
    const known = this.#commands.get(jws);
    if (known !== undefined) {
      const key = this.#keyOf(known.kid);
      return typeof key === 'string' ? { ok: false, reason: key } : known;
    }
    const opened = openJws(jws, { typ: COMMAND_TYPE, maxChars: LIMITS.jwsBytes, keyOf: (kid) => this.#keyOf(kid) });
    if (!opened.ok) return opened;
    const claims = commandClaimsSchema.safeParse(opened.payload);
    const root = claims.success ? decodeBase64Url(claims.data.root, 32) : undefined;
    if (!claims.success || root === undefined) return { ok: false, reason: 'malformed' };
    const verified: CachedCommand = { ok: true, claims: claims.data, root, kid: opened.kid };
    this.#commands.set(jws, verified);
    return verified;
  }

  /** Checks the signature of a pack against the same list. Never throws. */
  verifyPack(jws: string): VerifiedPack {
    const opened = openJws(jws, { typ: PACK_TYPE, maxChars: LIMITS.jwsBytes, keyOf: (kid) => this.#keyOf(kid) });
    if (!opened.ok) return opened;
    const claims = packClaimsSchema.safeParse(opened.payload);
    return claims.success ? { ok: true, claims: claims.data } : { ok: false, reason: 'malformed' };
  }

  #keyOf(kid: string): KeyObject | 'retired_key' | 'unknown_key' {
    if (this.#current?.retired.includes(kid)) return 'retired_key';
    const key = this.#keys.get(kid);
    if (key === undefined) return 'unknown_key';
    const exp = this.#current?.keys.find((entry) => entry.kid === kid)?.exp;
    return exp !== undefined && exp * 1_000 <= this.#now() ? 'retired_key' : key;
  }

  #readList(jws: string): CommandKeysResult {
    const known = this.#lists.get(jws);
    if (known !== undefined) return known;
    const read = openCommandKeys(jws, this.#roots);
    // Only lists that a root signed: nobody else can push the lists in use out of the cache.
    if (read.ok) this.#lists.set(jws, read);
    return read;
  }
}

/** Two roots may have signed the same list: the texts differ, the keys do not. */
function sameKeys(one: CommandKeysClaims, other: CommandKeysClaims): boolean {
  const form = ({ keys, retired }: CommandKeysClaims): string =>
    JSON.stringify([keys.map(({ kid, x, exp }) => [kid, x, exp ?? null]), retired]);
  return form(one) === form(other);
}
