import { createPublicKey, verify } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { generateAgentKeys, importAgentKeys } from './agent-keys.js';
import { keyListFault } from './command-keys.js';
import { CommandVerifier } from './command-verifier.js';
import { importPublicKey, isPublicKeyX, publicJwk } from './ed25519.js';
import { verifyEnrollProof, verifyHelloProof } from './proofs.js';
import { parsePublicJwks } from './signing-jwks.js';

/** y-coordinates of all points of small order, also in their forms above the prime; each with both sign bits. */
const SMALL = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
].flatMap((hex) => {
  const [plain, signed] = [Buffer.from(hex, 'hex'), Buffer.from(hex, 'hex')];
  signed[31]! |= 0x80;
  return [plain.toString('base64url'), signed.toString('base64url')];
});
/** R is the neutral point and S is 0: with the neutral point as the key this is valid for everything. */
const FORGED = Buffer.concat([Buffer.from(`01${'00'.repeat(31)}`, 'hex'), Buffer.alloc(32)]);
const NEUTRAL = SMALL[2]!;

describe('keys of small order', () => {
  test('would make one signature valid for everything', () => {
    const key = createPublicKey({ key: { ...publicJwk(NEUTRAL) }, format: 'jwk' });
    expect(verify(null, Buffer.from('anything'), key, FORGED)).toBe(true);
  });

  test.each(SMALL)('%s is no public key', (x) => {
    expect(isPublicKeyX(x)).toBe(false);
    expect(importPublicKey(x)).toBeUndefined();
  });

  test('cannot enrol, prove a session, sign tokens or commands, or be a root', () => {
    const claim = { org: 'acme', publicKeyX: NEUTRAL, timestampMs: 1 };
    expect(verifyEnrollProof(claim, FORGED.toString('base64url'), 1)).toEqual({ ok: false, reason: 'bad_proof' });
    const hello = { agentId: 'a', nonce: new Uint8Array(32), token: 't' };
    expect(verifyHelloProof(NEUTRAL, hello, FORGED)).toBe(false);
    expect(keyListFault({ keys: [{ kid: 'k', x: NEUTRAL }], retired: [] })).toMatch(/not an Ed25519 public key/);
    expect(() => new CommandVerifier({ roots: [{ kid: 'k', x: NEUTRAL }] })).toThrow(/not an Ed25519 public key/);
    const document = JSON.stringify({ keys: [{ ...publicJwk(NEUTRAL), kid: 'k' }] });
    expect(parsePublicJwks(document)).toMatchObject({ ok: false });
    expect(importAgentKeys({ ...publicJwk(NEUTRAL), d: NEUTRAL })).toBeUndefined();
  });

  test('other keys are keys', () => {
    for (let n = 0; n < 100; n += 1) expect(isPublicKeyX(generateAgentKeys().publicKeyX)).toBe(true);
  });
});
