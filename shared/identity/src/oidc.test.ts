import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createOidcVerifier, type OidcOptions, type OidcResult } from './oidc.js';

const NOW = 1_700_000_000_000;
const ISSUER = 'https://id.example';

let server: Server;
let jwksUri: string;
let published: JWK[] = [];
let status = 200;
let requests = 0;
let key: CryptoKey;
let otherKey: CryptoKey;

async function keyPair(alg: string, kid: string): Promise<{ privateKey: CryptoKey; jwk: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
}

beforeAll(async () => {
  const [one, other] = await Promise.all([keyPair('ES256', 'one'), keyPair('ES256', 'other')]);
  [key, otherKey, published] = [one.privateKey, other.privateKey, [one.jwk]];
  server = createServer((_request, response) => {
    requests += 1;
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: published }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

function options(more: Partial<OidcOptions> = {}): OidcOptions {
  return {
    issuer: ISSUER,
    audience: 'muster',
    keys: { jwksUri },
    roleClaim: 'realm_access.roles',
    roleMap: { 'muster-read': 'viewer', 'muster-ask': 'analyst', 'muster-root': 'admin' },
    org: { claim: 'org' },
    ...more,
  };
}

interface Forgery {
  readonly claims?: JWTPayload;
  readonly header?: { alg?: string; kid?: string };
  readonly key?: CryptoKey | Uint8Array;
}

function bearer({ claims = {}, header = {}, key: signer = key }: Forgery = {}): Promise<string> {
  return new SignJWT({
    iss: ISSUER,
    aud: ['muster', 'account'],
    sub: 'u-17',
    exp: NOW / 1_000 + 300,
    iat: NOW / 1_000,
    preferred_username: 'ann',
    org: 'acme',
    realm_access: { roles: ['offline_access', 'muster-read', 'muster-ask'] },
    ...claims,
  })
    .setProtectedHeader({ alg: 'ES256', kid: 'one', ...header })
    .sign(signer);
}

async function verify(
  token: Promise<string> | string,
  more: Partial<OidcOptions> = {},
  nowMs = NOW,
): Promise<OidcResult> {
  return createOidcVerifier(options(more)).verify(await token, nowMs);
}

async function reasonOf(...args: Parameters<typeof verify>): Promise<string> {
  const result = await verify(...args);
  return result.ok ? 'ok' : result.reason;
}

describe('OIDC', () => {
  test('a good token becomes a principal; of several roles the highest holds', async () => {
    expect(await verify(bearer())).toEqual({
      ok: true,
      principal: { kind: 'oidc', id: 'u-17', name: 'ann', org: 'acme', role: 'analyst', expiresAtMs: NOW + 300_000 },
    });
  });

  test('a claim whose name has dots, a role that is one text, a fixed org', async () => {
    const claims = { 'https://muster.example/role': 'muster-root', org: undefined, preferred_username: undefined };
    const more: Partial<OidcOptions> = { roleClaim: 'https://muster.example/role', org: { fixed: 'globex' } };
    expect(await verify(bearer({ claims }), more)).toMatchObject({
      principal: { role: 'admin', org: 'globex', name: 'u-17' },
    });
  });

  test.each<[string, string, Forgery]>([
    ['another issuer', 'wrong_issuer', { claims: { iss: 'https://evil.example' } }],
    ['another audience', 'wrong_audience', { claims: { aud: 'billing' } }],
    ['no audience', 'wrong_audience', { claims: { aud: undefined } as unknown as JWTPayload }],
    ['a time that is over', 'expired', { claims: { exp: NOW / 1_000 - 61 } }],
    ['a time that has not come', 'not_yet_valid', { claims: { nbf: NOW / 1_000 + 61 } }],
    ['no expiry', 'malformed', { claims: { exp: undefined } as unknown as JWTPayload }],
    ['no subject', 'malformed', { claims: { sub: undefined } as unknown as JWTPayload }],
    [
      'a role that means nothing here',
      'unmapped_role',
      { claims: { realm_access: { roles: ['staff', 'constructor'] } } },
    ],
    ['no role', 'unmapped_role', { claims: { realm_access: undefined } }],
    ['no org', 'no_org', { claims: { org: undefined } }],
    ['an org that is none', 'no_org', { claims: { org: 'Acme Inc.' } }],
    ['an unknown key', 'unknown_key', { header: { kid: 'two' } }],
    ['HMAC', 'wrong_algorithm', { header: { alg: 'HS256' }, key: new Uint8Array(32) }],
  ])('a token with %s is refused as %s', async (_name, reason, forgery) => {
    expect(await reasonOf(bearer(forgery))).toBe(reason);
  });

  test('a token signed by somebody else under a known key’s name is refused', async () => {
    expect(await reasonOf(bearer({ key: otherKey }))).toBe('bad_signature');
  });

  test('an unsigned token and garbage are refused', async () => {
    const [, payload] = (await bearer()).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    expect(await reasonOf(`${none}.${payload}.`)).toBe('wrong_algorithm');
    for (const text of ['', 'x', 'a.b.c', '...']) expect(await reasonOf(text)).toBe('malformed');
  });

  test('where a bound is configured, a token without one, or with one that cannot be read, is refused', async () => {
    const more = { selectorClaim: 'scope_selector' };
    const claims = (selector?: unknown) =>
      bearer({ claims: selector === undefined ? {} : { scope_selector: selector } });
    expect(await verify(claims('env=prod'), more)).toMatchObject({ principal: { selector: 'env=prod' } });
    expect(await verify(claims(''), more)).toMatchObject({ ok: true });
    for (const bad of [undefined, null, 7, 'env in (']) expect(await reasonOf(claims(bad), more)).toBe('bad_selector');
  });

  test('the provider’s keys are fetched once for many tokens', async () => {
    const verifier = createOidcVerifier(options());
    requests = 0;
    await verifier.verify(await bearer(), NOW);
    await verifier.verify(await bearer(), NOW);
    expect(requests).toBe(1);
  });

  test('a provider that fails is not the token’s fault', async () => {
    status = 500;
    expect(await reasonOf(bearer())).toBe('keys_unavailable');
    status = 200;
    expect(await reasonOf(bearer(), { keys: { jwksUri: 'http://127.0.0.1:1/jwks' } })).toBe('keys_unavailable');
  });

  test('keys given in the configuration need no provider', async () => {
    requests = 0;
    expect(await reasonOf(bearer(), { keys: { jwks: { keys: published } } })).toBe('ok');
    expect(requests).toBe(0);
  });
});
