import { createHash, createPrivateKey, sign } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { agentIdFromPublicKey, generateAgentKeys } from './agent-keys.js';
import {
  enrollProofMessage,
  helloProofMessage,
  signConnectProof,
  signEnrollProof,
  signHelloProof,
  verifyConnectProof,
  verifyEnrollProof,
  verifyHelloProof,
} from './proofs.js';

const NOW = 1_700_000_000_000;
const keys = generateAgentKeys();
const nonce = Buffer.alloc(32, 7);
const claim = { agentId: keys.agentId, nonce, token: 'header.payload.signature' };

describe('hello proof', () => {
  test('the signed bytes are those of the protocol document', () => {
    const tokenHash = createHash('sha256').update('header.payload.signature').digest('base64url');
    expect(helloProofMessage({ ...claim, agentId: 'abc' }).toString()).toBe(
      `muster.v1 hello\nabc\n${nonce.toString('base64url')}\n${tokenHash}`,
    );
  });

  test('a proof of the right key for this challenge and token is accepted', () => {
    expect(verifyHelloProof(keys.publicKeyX, claim, signHelloProof(keys.privateKey, claim))).toBe(true);
  });

  test('a recorded proof opens nothing: not under another challenge, for another token, or as another agent', () => {
    const proof = signHelloProof(keys.privateKey, claim);
    for (const other of [
      { nonce: Buffer.alloc(32, 8) },
      { token: 'a.b.c' },
      { agentId: generateAgentKeys().agentId },
    ]) {
      expect(verifyHelloProof(keys.publicKeyX, { ...claim, ...other }, proof)).toBe(false);
    }
  });

  test('a stolen token opens nothing: a proof by another key is refused', () => {
    const thief = generateAgentKeys();
    expect(verifyHelloProof(keys.publicKeyX, claim, signHelloProof(thief.privateKey, claim))).toBe(false);
  });

  test('bytes that are no signature, and text that is no key, are refused without a throw', () => {
    const proof = signHelloProof(keys.privateKey, claim);
    for (const bad of [new Uint8Array(0), new Uint8Array(64), proof.subarray(1), Buffer.concat([proof, proof])]) {
      expect(verifyHelloProof(keys.publicKeyX, claim, bad)).toBe(false);
    }
    expect(verifyHelloProof('not a key', claim, proof)).toBe(false);
  });

  test('a signature is the same 64 bytes on every implementation of Ed25519 (RFC 8032 §7.1, test 1)', () => {
    const seed = '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60';
    const privateKey = createPrivateKey({
      key: Buffer.from(`302e020100300506032b657004220420${seed}`, 'hex'),
      format: 'der',
      type: 'pkcs8',
    });
    const x = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';
    const vector = { agentId: agentIdFromPublicKey(x), nonce: Buffer.alloc(32), token: 't' };
    const proof = signHelloProof(privateKey, vector);
    expect(proof).toHaveLength(64);
    expect(Buffer.from(signHelloProof(privateKey, vector))).toEqual(Buffer.from(proof));
    expect(verifyHelloProof(x, vector, proof)).toBe(true);
  });
});

describe('enrolment proof', () => {
  const enrol = { org: 'acme', publicKeyX: keys.publicKeyX, timestampMs: NOW };
  const proof = signEnrollProof(keys.privateKey, enrol);

  test('the signed bytes are those of the protocol document', () => {
    expect(enrollProofMessage({ org: 'acme', publicKeyX: 'xyz', timestampMs: 12 }).toString()).toBe(
      'muster.v1 enroll\nacme\nxyz\n12',
    );
  });

  test('a proof is accepted within five minutes of its time, either way, and stale beyond', () => {
    expect([-300_000, 0, 300_000].map((off) => verifyEnrollProof(enrol, proof, NOW + off))).toEqual(
      Array(3).fill({ ok: true }),
    );
    for (const off of [-300_001, 300_001])
      expect(verifyEnrollProof(enrol, proof, NOW + off)).toEqual({ ok: false, reason: 'stale' });
  });

  test('a proof for another org, key or time is refused', () => {
    const bad = { ok: false, reason: 'bad_proof' };
    for (const other of [
      { org: 'globex' },
      { publicKeyX: generateAgentKeys().publicKeyX },
      { timestampMs: NOW + 1 },
      { timestampMs: Number.NaN },
    ]) {
      expect(verifyEnrollProof({ ...enrol, ...other }, proof, NOW)).toEqual(bad);
    }
    expect(verifyEnrollProof(enrol, 'AAAA', NOW)).toEqual(bad);
    expect(verifyEnrollProof(enrol, `${proof}=`, NOW)).toEqual(bad);
  });

  test('a hello proof is no enrolment proof, whatever its fields hold', () => {
    const hello = Buffer.from(signHelloProof(keys.privateKey, claim)).toString('base64url');
    expect(verifyEnrollProof(enrol, hello, NOW)).toEqual({ ok: false, reason: 'bad_proof' });
  });
});

describe('the proof in a request to connect', () => {
  const connect = { agentId: keys.agentId, token: 'header.payload.signature' };
  const proof = signConnectProof(keys.privateKey, { ...connect, timestampMs: NOW });
  const holds = (text: string, { nowMs = NOW, by = keys.publicKeyX, claim = {} } = {}): boolean =>
    verifyConnectProof(by, { ...connect, ...claim }, { proof: text, nowMs });

  test('is the time and the signature over the bytes of the protocol document', () => {
    const tokenHash = createHash('sha256').update(connect.token).digest('base64url');
    const message = `muster.v1 connect\n${connect.agentId}\n${NOW}\n${tokenHash}`;
    expect(proof).toBe(`${NOW}.${sign(null, Buffer.from(message), keys.privateKey).toString('base64url')}`);
    expect(holds(proof)).toBe(true);
  });

  test('holds within five minutes of its time, either way', () => {
    expect([-300_001, -300_000, 300_000, 300_001].map((off) => holds(proof, { nowMs: NOW + off }))).toEqual([
      ...[false, true, true, false],
    ]);
  });

  test('holds for its own agent, token, key and time only', () => {
    expect([holds(proof, { claim: { token: 'a.b.c' } }), holds(proof, { claim: { agentId: 'somebody' } })]).toEqual([
      ...[false, false],
    ]);
    expect([holds(proof, { by: generateAgentKeys().publicKeyX }), holds(proof, { by: 'no key' })]).toEqual([
      false,
      false,
    ]);
    expect(holds(proof.replace(String(NOW), String(NOW + 1)))).toBe(false);
  });

  test('is refused without a throw when it is anything else', () => {
    const [time = '', text = ''] = proof.split('.');
    const bad = [
      '',
      '.',
      time,
      `${time}.`,
      `.${text}`,
      `x${proof}`,
      `${proof}x`,
      ` ${proof}`,
      `${proof}\n`,
      `-${proof}`,
    ];
    bad.push(`${time}.${'='.repeat(86)}`, `${time}.${'A'.repeat(86)}`, `${time}.${text.slice(1)}`, `1e3.${text}`);
    for (const value of bad) expect([value, holds(value)]).toEqual([value, false]);
  });
});
