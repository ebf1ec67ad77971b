import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** How long a sealed request can be opened, and by how much the clocks of both sides may differ. */
export const SEAL_WINDOW_MS = 60_000;

const MAC_BYTES = 32;
const NONCE_BYTES = 16;
const TIME_BYTES = 8;
const HEAD_BYTES = MAC_BYTES + TIME_BYTES + NONCE_BYTES;
const MIN_KEY_CHARS = 32;
const PURPOSE = 'muster.v1 command request\n';

export type ParsedRequestKeys =
  { readonly ok: true; readonly keys: readonly string[] } | { readonly ok: false; readonly fault: string };

/** Reads one or more keys between commas: the first one seals, all of them open. */
export function parseRequestKeys(text: string): ParsedRequestKeys {
  const keys = text.split(',').map((key) => key.trim());
  return keys.every((key) => key.length >= MIN_KEY_CHARS)
    ? { ok: true, keys }
    : { ok: false, fault: `must be a secret of at least ${MIN_KEY_CHARS} characters, or several between commas` };
}

export type OpenedRequest =
  | {
      readonly ok: true;
      readonly body: Uint8Array;
      /** Unique for every sealing, also of the same body: a replay has the same id. */
      readonly id: string;
    }
  | { readonly ok: false; readonly reason: 'malformed' | 'bad_seal' | 'stale' };

/**
 * Proves to a command service that a request comes from an API, which has authenticated the caller: HMAC-SHA-256 (RFC 2104) under a key
 * that gateways do not have. Without it, anybody with access to the broker could have commands signed. A sealed request can be replayed
 * within `SEAL_WINDOW_MS`, so the receiver must remember each `id` for that long.
 *
 *     MAC (32) │ milliseconds since 1970 (8, big endian) │ nonce (16) │ body
 */
export class RequestSeal {
  #keys: readonly string[];

  /** Throws a `TypeError` when there is no key. */
  constructor(keys: readonly string[]) {
    if (keys.length === 0) throw new TypeError('no key to seal requests with');
    this.#keys = keys;
  }

  /** These keys from now on. Throws a `TypeError` when there is none, and goes on with those before. */
  renew(keys: readonly string[]): void {
    if (keys.length === 0) throw new TypeError('no key to seal requests with');
    this.#keys = keys;
  }

  seal(body: Uint8Array, nowMs: number): Uint8Array {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeBigUInt64BE(BigInt(Math.floor(nowMs)));
    const sealed = Buffer.concat([time, randomBytes(NONCE_BYTES), body]);
    return Buffer.concat([macOf(this.#keys[0] ?? '', sealed), sealed]);
  }

  /** Never throws. */
  open(bytes: Uint8Array, nowMs: number): OpenedRequest {
    if (bytes.length < HEAD_BYTES) return { ok: false, reason: 'malformed' };
    const mac = Buffer.from(bytes.buffer, bytes.byteOffset, MAC_BYTES);
    const sealed = Buffer.from(bytes.buffer, bytes.byteOffset + MAC_BYTES, bytes.length - MAC_BYTES);
    if (!this.#keys.some((key) => timingSafeEqual(macOf(key, sealed), mac))) return { ok: false, reason: 'bad_seal' };
    const sealedAtMs = Number(sealed.readBigUInt64BE());
    if (Math.abs(nowMs - sealedAtMs) > SEAL_WINDOW_MS) return { ok: false, reason: 'stale' };
    return { ok: true, body: sealed.subarray(TIME_BYTES + NONCE_BYTES), id: mac.toString('base64url') };
  }
}

function macOf(key: string, sealed: Uint8Array): Buffer {
  return createHmac('sha256', key).update(PURPOSE).update(sealed).digest();
}
