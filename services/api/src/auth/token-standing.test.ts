import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { OidcVerifier } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { standingOf } from './token-standing.js';

/** An identity provider that believes any JWT: its text is the subject. */
const oidc: OidcVerifier = {
  issuer: 'https://id.example',
  verify: async (token) => ({
    ok: true,
    principal: { kind: 'oidc', id: token, name: token, org: ORG, role: 'admin', expiresAtMs: Date.now() + 60_000 },
  }),
};

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start({ oidc });
});
afterEach(() => api.stop());

const mint = async (token: string, name: string, role = 'admin') =>
  (await api.ask('POST', '/v1/tokens', { token, body: { name, role } })).body as { token: string; tokenId: string };

/** As the command service is told who submits. */
async function callerWith(token: string) {
  const body = { action: 'dns.flush', target: { selector: '' } };
  expect((await api.ask('POST', '/v1/commands', { token, body })).status).toBe(202);
  const asked = api.commands.asked.at(-1);
  return asked?.t === 'submit' ? asked.caller : undefined;
}

describe('the command service is told who stands behind a credential:', () => {
  test('the bootstrap token, and each token that it made, for itself', async () => {
    expect(await callerWith(api.adminToken)).toMatchObject({ person: 'bootstrap', origin: 'bootstrap' });
    const one = await mint(api.adminToken, 'one');
    expect(await callerWith(one.token)).toMatchObject({ person: `token:${one.tokenId}`, origin: 'bootstrap' });
  });

  test('for a token that a token made, and for what that one made, the first of them', async () => {
    const first = await mint(api.adminToken, 'first');
    const second = await mint(first.token, 'second');
    const third = await mint(second.token, 'third', 'responder');
    for (const { token } of [first, second, third]) {
      expect(await callerWith(token)).toMatchObject({ person: `token:${first.tokenId}`, origin: 'bootstrap' });
    }
    // Revoking the one in the middle does not make anybody else of its last one.
    await api.ask('DELETE', `/v1/tokens/${second.tokenId}`);
    expect(await callerWith(third.token)).toMatchObject({ person: `token:${first.tokenId}` });
  });

  test('for a subject of the identity provider and its tokens, issuer and subject', async () => {
    const person = 'oidc:https://id.example u-17';
    expect(await callerWith('u-17')).toMatchObject({ id: 'u-17', person, origin: person });
    const { token } = await mint((await mint('u-17', 'one')).token, 'two');
    expect(await callerWith(token)).toMatchObject({ person, origin: person });
  });

  test('a subject with the name of the bootstrap token is not that one', async () => {
    const { token } = await mint('bootstrap', 'one');
    expect(await callerWith(token)).toMatchObject({ origin: 'oidc:https://id.example bootstrap' });
  });

  test('for a token from before makers were kept: who its record names', async () => {
    const parent = await mint(api.adminToken, 'parent');
    const { token } = await api.token({ role: 'admin', createdBy: parent.tokenId });
    expect(await callerWith(token)).toMatchObject({ person: `token:${parent.tokenId}`, origin: 'bootstrap' });
    const other = await api.token({ role: 'admin', createdBy: 'u-17' });
    expect(await callerWith(other.token)).toMatchObject({ person: 'oidc: u-17' });
  });
});

describe('a line of makers', () => {
  const record = (tokenId: string, creator: string, org = ORG): OperatorTokenRecord => ({
    ...{ tokenId, org, name: tokenId, role: 'admin', hash: '', createdBy: '', createdAtMs: 0, creator },
  });

  test('that is broken, or leaves the org, or is endless, has an unknown origin', () => {
    const lost = standingOf(record('a', 'token:gone'), () => undefined);
    expect(lost).toEqual({ person: 'token:gone', origin: 'unknown' });
    const foreign = standingOf(record('a', 'token:b'), () => record('b', 'bootstrap', 'other' as OrgId));
    expect(foreign).toEqual({ person: 'token:b', origin: 'unknown' });
    expect(standingOf(record('a', 'token:a'), () => record('a', 'token:a')).origin).toBe('unknown');
  });
});
