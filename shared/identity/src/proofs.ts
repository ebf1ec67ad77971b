import { createHash, sign, type KeyObject } from 'node:crypto';
import { decodeBase64Url, importPublicKey, verifySignature } from './ed25519.js';

/** What a hello proves: the sender holds the agent's key, now, on this connection, with this token. */
export interface HelloClaim {
  readonly agentId: string;
  /** The server's challenge, 32 random bytes. */
  readonly nonce: Uint8Array;
  /** The agent token as sent in the upgrade. */
  readonly token: string;
}

/** What an enrolment proves: the sender holds the key to be enrolled, and meant this org at this time. */
export interface EnrollClaim {
  readonly org: string;
  /** base64url of the raw public key. */
  readonly publicKeyX: string;
  readonly timestampMs: number;
}

/** How far an enrolment's time stamp may be from the gateway's clock, either way. */
export const ENROLL_TOLERANCE_MS = 300_000;

/**
 * The bytes signed in a hello: UTF-8 of `muster.v1 hello`, agent id, base64url(nonce) and base64url(SHA-256(token)), with a line
 * feed between. The nonce prevents replay; the token's hash binds the proof to the token (as `ath` in RFC 9449).
 */
export function helloProofMessage({ agentId, nonce, token }: HelloClaim): Buffer {
  const tokenHash = createHash('sha256').update(token).digest('base64url');
  return Buffer.from(`muster.v1 hello\n${agentId}\n${Buffer.from(nonce).toString('base64url')}\n${tokenHash}`);
}

/** The agent's signature over `helloProofMessage`, 64 bytes. */
export function signHelloProof(privateKey: KeyObject, claim: HelloClaim): Uint8Array {
  return sign(null, helloProofMessage(claim), privateKey);
}

/** True when the proof was made with the private part of `publicKeyX` for exactly this claim. */
export function verifyHelloProof(publicKeyX: string, claim: HelloClaim, proof: Uint8Array): boolean {
  const key = importPublicKey(publicKeyX);
  return key !== undefined && verifySignature(key, helloProofMessage(claim), proof);
}

/** The bytes signed in an enrolment: UTF-8 of `muster.v1 enroll`, org, base64url(public key) and milliseconds since 1970. */
export function enrollProofMessage({ org, publicKeyX, timestampMs }: EnrollClaim): Buffer {
  return Buffer.from(`muster.v1 enroll\n${org}\n${publicKeyX}\n${timestampMs}`);
}

/** The agent's signature over `enrollProofMessage`, as base64url. */
export function signEnrollProof(privateKey: KeyObject, claim: EnrollClaim): string {
  return sign(null, enrollProofMessage(claim), privateKey).toString('base64url');
}

export type EnrollProofResult = { readonly ok: true } | { readonly ok: false; readonly reason: 'bad_proof' | 'stale' };

/** Checks an enrolment's proof (base64url) and that it was made within `ENROLL_TOLERANCE_MS` of now. */
export function verifyEnrollProof(claim: EnrollClaim, proof: string, nowMs: number): EnrollProofResult {
  const key = importPublicKey(claim.publicKeyX);
  const signature = decodeBase64Url(proof, 64);
  if (key === undefined || signature === undefined || !verifySignature(key, enrollProofMessage(claim), signature)) {
    return { ok: false, reason: 'bad_proof' };
  }
  const isFresh = Math.abs(nowMs - claim.timestampMs) <= ENROLL_TOLERANCE_MS;
  return isFresh ? { ok: true } : { ok: false, reason: 'stale' };
}

/** What a request to connect can prove ahead of the challenge: the sender holds the agent's key, at this time, with this token. */
export interface ConnectClaim extends Pick<HelloClaim, 'agentId' | 'token'> {
  readonly timestampMs: number;
}

/**
 * The bytes signed in a request to connect: UTF-8 of `muster.v1 connect`, agent id, milliseconds since 1970 and
 * base64url(SHA-256(token)), with a line feed between. It gives no session, which only the answer to a challenge does:
 * it tells the owner of a token from who stole it.
 */
function connectProofMessage({ agentId, token, timestampMs }: ConnectClaim): Buffer {
  const tokenHash = createHash('sha256').update(token).digest('base64url');
  return Buffer.from(`muster.v1 connect\n${agentId}\n${timestampMs}\n${tokenHash}`);
}

/** The header's value: the time, a dot, and the signature in base64url. */
export function signConnectProof(privateKey: KeyObject, claim: ConnectClaim): string {
  return `${claim.timestampMs}.${sign(null, connectProofMessage(claim), privateKey).toString('base64url')}`;
}

/** Checks such a value, and that it was made within `ENROLL_TOLERANCE_MS` of now. The caller has to see to it that each is used once. */
export function verifyConnectProof(
  publicKeyX: string,
  claim: Pick<ConnectClaim, 'agentId' | 'token'>,
  { proof, nowMs }: { readonly proof: string; readonly nowMs: number },
): boolean {
  const [, time = '', text = ''] = /^(\d{1,15})\.([\w-]{86})$/.exec(proof) ?? [];
  const timestampMs = Number(time);
  if (text === '' || Math.abs(timestampMs - nowMs) > ENROLL_TOLERANCE_MS) return false;
  const key = importPublicKey(publicKeyX);
  const signature = decodeBase64Url(text, 64);
  if (key === undefined || signature === undefined) return false;
  return verifySignature(key, connectProofMessage({ ...claim, timestampMs }), signature);
}
