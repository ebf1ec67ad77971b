import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { decodeCbor, encodeCbor } from '@muster/protocol';
import { importKeys, type NamedKey } from './command-keys.js';
import { isObject } from './compact-jws.js';
import { verifySignature } from './ed25519.js';
import type { PrivateJwks } from './signing-jwks.js';

/** The member of a record that holds its signature. Versions before leave it unread. */
const MEMBER = 'sig';
const PURPOSE = 'muster.v1 record\n';

/** Why a record is not believed. */
export type RecordFault = 'unsigned' | 'malformed' | 'unknown_key' | 'bad_signature';

export type OpenedRecord =
  | { readonly ok: true; readonly data: Uint8Array }
  /** `data` is the record without a signature; absent where it cannot be read. */
  | { readonly ok: false; readonly reason: RecordFault; readonly data?: Uint8Array };

/**
 * Signs kept records that decide what somebody may do: tokens, revocations, labels and modes that operators set. The
 * signature (Ed25519) is a member of the record. It covers the subject, so that no record can be moved to another agent
 * or org, and the record in deterministic CBOR.
 */
export class RecordSigner {
  #signing: { readonly kid: string; readonly key: KeyObject };

  /** The first key of the document signs. Throws a `TypeError` when there is none. */
  constructor(keys: PrivateJwks) {
    this.#signing = firstKey(keys);
  }

  /** The first key of this document signs from now on. Throws a `TypeError` when there is none, and goes on with the one before. */
  renew(keys: PrivateJwks): void {
    this.#signing = firstKey(keys);
  }

  /** The record with its signature, in the place of one that it has. */
  sign(subject: string, data: Uint8Array): Uint8Array {
    const { record } = split(decodeCbor(data));
    const { kid, key } = this.#signing;
    const value = sign(null, signedBytes(subject, record), key);
    return encodeCbor({ ...record, [MEMBER]: { kid, value: new Uint8Array(value) } });
  }
}

/** Verifies what {@link RecordSigner} signs. */
export class RecordVerifier {
  #keys: ReadonlyMap<string, KeyObject>;

  /** Throws a `TypeError` for an invalid key. */
  constructor(keys: readonly NamedKey[]) {
    this.#keys = importKeys(keys);
  }

  /** Believes these keys, and no others, from now on. Throws a `TypeError` for an invalid key, and goes on with those before. */
  renew(keys: readonly NamedKey[]): void {
    this.#keys = importKeys(keys);
  }

  /** Never throws. About 60 µs. */
  open(subject: string, data: Uint8Array): OpenedRecord {
    try {
      const { record, signature } = split(decodeCbor(data));
      const plain = encodeCbor(record);
      if (signature === undefined) return { ok: false, reason: 'unsigned', data: plain };
      const { kid, value } = signature;
      if (typeof kid !== 'string' || !(value instanceof Uint8Array))
        return { ok: false, reason: 'malformed', data: plain };
      const key = this.#keys.get(kid);
      if (key === undefined) return { ok: false, reason: 'unknown_key', data: plain };
      return verifySignature(key, withPurpose(subject, plain), value)
        ? { ok: true, data: plain }
        : { ok: false, reason: 'bad_signature', data: plain };
    } catch {
      return { ok: false, reason: 'malformed' };
    }
  }
}

function firstKey({ keys: [jwk] }: PrivateJwks): { readonly kid: string; readonly key: KeyObject } {
  if (jwk === undefined) throw new TypeError('no key to sign records with');
  return { kid: jwk.kid, key: createPrivateKey({ key: { ...jwk }, format: 'jwk' }) };
}

function split(value: unknown): {
  readonly record: Readonly<Record<string, unknown>>;
  readonly signature?: Readonly<Record<string, unknown>>;
} {
  if (!isObject(value)) throw new TypeError('not a stored record');
  const { [MEMBER]: signature, ...record } = value;
  if (signature === undefined) return { record };
  return { record, signature: isObject(signature) ? signature : {} };
}

const signedBytes = (subject: string, record: object): Uint8Array => withPurpose(subject, encodeCbor(record));

const withPurpose = (subject: string, plain: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from(`${PURPOSE}${subject}\n`), plain]);
