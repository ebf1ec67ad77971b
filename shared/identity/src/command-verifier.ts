import type { KeyObject } from 'node:crypto';
import {
  COMMAND_TYPE,
  commandClaimsSchema,
  LIMITS,
  type CommandClaims,
  type CommandKeysClaims,
} from '@muster/protocol';
import { importKeys, openCommandKeys, type CommandKeysResult, type NamedKey } from './command-keys.js';
import { openJws, type JwsFault } from './compact-jws.js';
import { decodeBase64Url } from './ed25519.js';

export type CommandKeysFault =
  | JwsFault
  /** Genuine, but older than one that is known. A delivery may carry it; the command still counts if the newer list has its key. */
  | 'older_version'
  /** Genuine, but another list has the same version: whoever holds the root must give the next one a higher version. */
  | 'same_version';

export type AcceptedKeys =
  | {
      readonly ok: true;
      readonly version: number;
      /** The version is higher than any before: to be kept durably before a command is believed because of it. */
      readonly isNew: boolean;
    }
  | { readonly ok: false; readonly reason: CommandKeysFault };

/** `retired_key`: named as retired by the newest list, or its time there is over. */
export type CommandFault = JwsFault | 'retired_key';

export type VerifiedCommand =
  | {
      readonly ok: true;
      readonly claims: CommandClaims;
      /** Of the tree of its targets, 32 bytes. */
      readonly root: Uint8Array;
    }
  | { readonly ok: false; readonly reason: CommandFault };

export interface CommandVerifierOptions {
  /** The pinned roots. */
  readonly roots: readonly NamedKey[];
  /** The highest version of the key list that was ever accepted: nothing older is, not even after a restart. */
  readonly knownVersion?: number;
  /** Milliseconds since 1970; only the end of a key's time is compared with it. */
  readonly now?: () => number;
}

/** Texts of commands whose signature is known to be good, in characters. */
const CACHE_CHARS = 1024 * 1024;
/** A rotation brings two lists; a few more cost nothing. */
const CACHED_LISTS = 8;

type Known = Extract<VerifiedCommand, { ok: true }> & { readonly kid: string };

/**
 * Believes a command when a key signed it that one of the pinned roots has listed. It does not know the time a command was made for, its
 * org or its targets: that is the caller's to check, with the claims.
 *
 * What was verified once is remembered by its text, so that the repeats of a delivery, and the many agents of one process, cost a look-up;
 * whether the key is retired by now is asked every time.
 */
export class CommandVerifier {
  readonly #roots: ReadonlyMap<string, KeyObject>;
  readonly #now: () => number;
  readonly #lists = new Map<string, CommandKeysResult>();
  readonly #commands = new Map<string, Known>();
  #chars = 0;
  #version: number;
  #current: CommandKeysClaims | undefined;
  #keys: ReadonlyMap<string, KeyObject> = new Map();

  /** Throws a `TypeError` for a root that is no key. */
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
    // A key id may stand for another key now.
    this.#commands.clear();
    this.#chars = 0;
    return { ok: true, version, isNew };
  }

  /** Checks a command's signature against the newest accepted list. Never throws. */
  verify(jws: string): VerifiedCommand {
    const known = this.#commands.get(jws);
    if (known !== undefined) {
      const key = this.#keyOf(known.kid);
      return typeof key === 'string' ? { ok: false, reason: key } : known;
    }
    const opened = openJws(jws, {
      typ: COMMAND_TYPE,
      maxChars: LIMITS.jwsBytes,
      keyOf: (kid) => this.#keyOf(kid),
    });
    if (!opened.ok) return opened;
    const claims = commandClaimsSchema.safeParse(opened.payload);
    const root = claims.success ? decodeBase64Url(claims.data.root, 32) : undefined;
    if (!claims.success || root === undefined) return { ok: false, reason: 'malformed' };
    const verified: Known = { ok: true, claims: claims.data, root, kid: opened.kid };
    this.#remember(jws, verified);
    return verified;
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
    // Only what a root signed: nobody else can push the lists in use out of the cache.
    if (read.ok) {
      this.#lists.set(jws, read);
      if (this.#lists.size > CACHED_LISTS) this.#lists.delete(this.#lists.keys().next().value ?? '');
    }
    return read;
  }

  #remember(jws: string, verified: Known): void {
    this.#commands.set(jws, verified);
    this.#chars += jws.length;
    for (const oldest of this.#commands.keys()) {
      if (this.#chars <= CACHE_CHARS) return;
      this.#commands.delete(oldest);
      this.#chars -= oldest.length;
    }
  }
}

/** Two roots may both have signed the same list. */
function sameKeys(one: CommandKeysClaims, other: CommandKeysClaims): boolean {
  const form = ({ keys, retired }: CommandKeysClaims): string =>
    JSON.stringify([keys.map(({ kid, x, exp }) => [kid, x, exp ?? null]), retired]);
  return form(one) === form(other);
}
