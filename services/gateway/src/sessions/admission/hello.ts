import { verifyHelloProof } from '@muster/identity';
import { decodeBody, type CloseReason, type HelloBody } from '@muster/protocol';
import type { Session } from '../hub/session.js';

export type HelloResult =
  | { readonly ok: true; readonly hello: HelloBody }
  | { readonly ok: false; readonly reason: CloseReason; readonly detail: string };

/** Checks a hello against the challenge of its own connection. */
export function checkHello(session: Session, body: Uint8Array): HelloResult {
  const decoded = decodeBody('hello', body);
  if (!decoded.ok) return { ok: false, reason: 'helloInvalid', detail: decoded.fault };
  const { challenge, agentId } = session;
  if (challenge === undefined) return { ok: false, reason: 'protocolError', detail: 'a second hello' };
  const claim = { agentId, nonce: challenge.nonce, token: challenge.token };
  if (!verifyHelloProof(challenge.publicKey, claim, decoded.body.proof)) {
    return { ok: false, reason: 'unauthenticated', detail: 'the proof does not match the token and the challenge' };
  }
  return { ok: true, hello: decoded.body };
}
