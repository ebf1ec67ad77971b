import type { OrgId } from '@muster/protocol';
import { createLocalJWKSet, importJWK, jwtVerify, SignJWT, type JWTPayload } from 'jose';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { generateAgentKeys } from './agent-keys.js';
import { AgentTokenIssuer, needsRenewal, type AgentTokenRequest } from './agent-token.js';
import { AgentTokenVerifier } from './agent-token-verifier.js';
import { generateSigningJwks, parseSigningJwks, publicJwks, type PrivateJwks } from './signing-jwks.js';

const NOW = 1_700_000_000_000;
const MINUTE = 60_000;
const DAY = 86_400_000;
const agent = generateAgentKeys();
const request: AgentTokenRequest = { org: 'acme' as OrgId, num: 7, publicKeyX: agent.publicKeyX, factsDigest: 'fd' };

let jwks: PrivateJwks;
let verifier: AgentTokenVerifier;
let token: string;
beforeAll(async () => {
  jwks = await generateSigningJwks();
  verifier = new AgentTokenVerifier(publicJwks(jwks));
  token = await new AgentTokenIssuer(jwks).issue(request, NOW);
});

/** A token with the right signature and whatever header and claims a test wants. */
async function forge(header: Record<string, unknown>, claims: JWTPayload, signer: PrivateJwks = jwks): Promise<string> {
  const key = signer.keys[0];
  if (key === undefined) throw new Error('no key');
  const good = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as JWTPayload;
  return new SignJWT({ ...good, ...claims })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'muster-agent+jwt', kid: key.kid, ...header })
    .sign(await importJWK({ ...key }, 'EdDSA'));
}

const reasonOf = (text: string, nowMs = NOW): string => {
  const result = verifier.verify(text, nowMs);
  return result.ok ? 'ok' : result.reason;
};

describe('agent token', () => {
  test('what is issued verifies, and says what it was issued for', () => {
    expect(verifier.verify(token, NOW)).toEqual({
      ok: true,
      claims: {
        agentId: agent.agentId,
        org: 'acme',
        num: 7,
        publicKeyX: agent.publicKeyX,
        factsDigest: 'fd',
        issuedAtMs: NOW,
        expiresAtMs: NOW + 30 * DAY,
        kid: jwks.keys[0]?.kid,
      },
    });
  });

  test('it is a JWT that any other implementation verifies', async () => {
    const keys = createLocalJWKSet({ keys: publicJwks(jwks).keys.map((key) => ({ ...key })) });
    const { payload } = await jwtVerify(token, keys, {
      issuer: 'muster',
      typ: 'muster-agent+jwt',
      currentDate: new Date(NOW),
    });
    expect(payload).toEqual({
      iss: 'muster',
      sub: agent.agentId,
      org: 'acme',
      num: 7,
      cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: agent.publicKeyX } },
      fd: 'fd',
      iat: NOW / 1_000,
      exp: (NOW + 30 * DAY) / 1_000,
    });
  });

  test('it expires, and is valid a minute beyond and before for clocks that differ', () => {
    expect(reasonOf(token, NOW + 30 * DAY + MINUTE - 1)).toBe('ok');
    expect(reasonOf(token, NOW + 30 * DAY + MINUTE)).toBe('expired');
    expect(reasonOf(token, NOW - MINUTE)).toBe('ok');
    expect(reasonOf(token, NOW - MINUTE - 1)).toBe('not_yet_valid');
  });

  test('a token of another deployment is refused, also when it borrows our key’s name', async () => {
    const theirs = await generateSigningJwks();
    expect(reasonOf(await forge({}, {}, theirs))).toBe('unknown_key');
    expect(reasonOf(await forge({ kid: jwks.keys[0]?.kid }, {}, theirs))).toBe('bad_signature');
  });

  test('every changed character of a token is noticed', () => {
    for (let at = 0; at < token.length; at += 1) {
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
      expect(reasonOf(changed)).not.toBe('ok');
    }
  });

  test('only EdDSA is accepted: none, HMAC with the public key, and other names are not', async () => {
    const [header, payload] = token.split('.');
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const none = encode({ alg: 'none', typ: 'muster-agent+jwt', kid: jwks.keys[0]?.kid });
    expect(reasonOf(`${none}.${payload}.`)).toBe('malformed');
    expect(reasonOf(`${none}.${payload}.${'A'.repeat(86)}`)).toBe('wrong_algorithm');
    const hmac = await new SignJWT({})
      .setProtectedHeader({ alg: 'HS512', typ: 'muster-agent+jwt', kid: jwks.keys[0]?.kid ?? '' })
      .sign(Buffer.from(jwks.keys[0]?.x ?? '', 'base64url'));
    expect(reasonOf(hmac)).toBe('wrong_algorithm');
    expect(reasonOf(`${header}.${payload}.${'A'.repeat(86)}`)).toBe('bad_signature');
  });

  test('a token made for another purpose is refused by its type', async () => {
    expect(reasonOf(await forge({ typ: 'JWT' }, {}))).toBe('wrong_type');
    expect(reasonOf(await forge({ typ: 'muster-command+jwt' }, {}))).toBe('wrong_type');
  });

  test('a header that would change what the signature means is refused', async () => {
    expect(reasonOf(await forge({ jwk: { kty: 'OKP' } }, {}))).toBe('malformed');
    expect(reasonOf(await forge({ jku: 'https://evil' }, {}))).toBe('malformed');
    expect(reasonOf(await forge({ b64: true, crit: ['b64'] }, {}))).toBe('malformed');
  });

  test('a subject that is not the agent of the bound key is foreign', async () => {
    expect(reasonOf(await forge({}, { sub: generateAgentKeys().agentId }))).toBe('foreign');
    const x = generateAgentKeys().publicKeyX;
    expect(reasonOf(await forge({}, { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x } } }))).toBe('foreign');
  });

  test.each([
    ['another issuer', { iss: 'else' }, 'wrong_issuer'],
    ['no expiry', { exp: undefined }, 'malformed'],
    ['no key', { cnf: {} }, 'malformed'],
    ['a key of another curve', { cnf: { jwk: { kty: 'OKP', crv: 'X25519', x: agent.publicKeyX } } }, 'malformed'],
    ['a short key', { cnf: { jwk: { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' } } }, 'malformed'],
    ['an org that is none', { org: '../x' }, 'malformed'],
    ['number 0', { num: 0 }, 'malformed'],
    ['a number with a fraction', { num: 1.5 }, 'malformed'],
    ['no facts digest', { fd: 1 }, 'malformed'],
  ])('a signed token with %s is refused', async (_name, claims, reason) => {
    expect(reasonOf(await forge({}, claims as JWTPayload))).toBe(reason);
  });

  test('garbage is malformed, at once and without a throw', () => {
    const long = `${'A'.repeat(1_000_000)}.${'A'.repeat(1_000_000)}.A`;
    for (const text of [
      '',
      '.',
      '..',
      '...',
      'a.b',
      'a.b.c',
      `${token}.x`,
      ` ${token}`,
      `${token}\n`,
      `${token}=`,
      long,
      '\0.\0.\0',
      'W10.W10.W10',
    ]) {
      expect(reasonOf(text)).toBe('malformed');
    }
  });

  test('a token is due for renewal once half of its life is over', () => {
    const result = verifier.verify(token, NOW);
    if (!result.ok) throw new Error(result.reason);
    expect([NOW, NOW + 15 * DAY, NOW + 15 * DAY + 1].map((at) => needsRenewal(result.claims, at))).toEqual([
      false,
      false,
      true,
    ]);
  });

  test('verifying does not cost more than a signature check by much', () => {
    const rounds = 500;
    const before = process.cpuUsage();
    for (let i = 0; i < rounds; i += 1) verifier.verify(token, NOW);
    // About 90 µs on an idle core; the bound only catches a change of kind, of processor time.
    expect(process.cpuUsage(before).user / 1_000 / rounds).toBeLessThan(2);
  });
});

describe('signing keys', () => {
  test('rotation: the first key signs, all of them verify, and a key taken out is unknown', async () => {
    const next = await generateSigningJwks();
    const both: PrivateJwks = { keys: [...next.keys, ...jwks.keys] };
    const fresh = await new AgentTokenIssuer(both).issue(request, NOW);
    const rotating = new AgentTokenVerifier(publicJwks(both));
    expect([token, fresh].map((text) => rotating.verify(text, NOW).ok)).toEqual([true, true]);
    expect(rotating.verify(fresh, NOW)).toMatchObject({ claims: { kid: next.keys[0]?.kid } });
    const rotated = new AgentTokenVerifier(publicJwks(next));
    expect(rotated.verify(token, NOW)).toEqual({ ok: false, reason: 'unknown_key' });
  });

  test('the public document has no private part', () => {
    expect(JSON.stringify(publicJwks(jwks))).not.toContain(jwks.keys[0]?.d);
    expect(Object.keys(publicJwks(jwks).keys[0] ?? {}).toSorted()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x']);
  });

  test('a document is read as it was written', () => {
    expect(parseSigningJwks(JSON.stringify(jwks))).toEqual({ ok: true, jwks });
  });

  test('a faulty document is refused with what is wrong, without quoting it', () => {
    const key = jwks.keys[0];
    const faults = [
      '{',
      '[]',
      '{"keys":[]}',
      { keys: [publicJwks(jwks).keys[0]] },
      { keys: [key, key] },
      { keys: [{ ...key, kid: '' }] },
    ].map((value) => parseSigningJwks(typeof value === 'string' ? value : JSON.stringify(value)));
    expect(faults.map((result) => result.ok)).toEqual(Array(6).fill(false));
    expect(JSON.stringify(faults)).not.toContain(key?.d);
  });
});
