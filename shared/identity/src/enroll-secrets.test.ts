import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { parseEnrollSecrets, type EnrollSecrets } from './enroll-secrets.js';

const OLD = 'old-secret-0123456789';
const NEW = 'new-secret-0123456789';
const OTHER = 'globex=secret+0123456789';

function secretsOf(text: string): EnrollSecrets {
  const parsed = parseEnrollSecrets(text);
  if (!parsed.ok) throw new Error(parsed.fault);
  return parsed.secrets;
}

describe('enrolment secrets', () => {
  test.each([
    ['a list', `acme=${OLD}, acme=${NEW} ,globex=${OTHER}`],
    ['JSON', JSON.stringify({ acme: [OLD, NEW], globex: OTHER })],
    ['a file of JSON', ` \n${JSON.stringify({ acme: [OLD, NEW], globex: [OTHER] }, undefined, 2)}\n`],
  ])('given as %s: each org’s own secrets match, the old and the new during rotation, and no other', (_form, text) => {
    const secrets = secretsOf(text);
    expect(secrets.orgs).toEqual(['acme', 'globex']);
    const matches = (org: string, secret: string) => secrets.find(org, secret)?.org === org;
    expect([OLD, NEW, OTHER, ''].map((secret) => matches('acme', secret))).toEqual([true, true, false, false]);
    expect(matches('globex', OTHER)).toBe(true);
    expect(matches('globex', OLD)).toBe(false);
    expect(matches('nobody', OLD)).toBe(false);
    expect(matches('__proto__', OLD)).toBe(false);
  });

  test('a plain secret has no bounds, and the same derived name each time, another one in another org', () => {
    const [one, two] = [secretsOf(`acme=${OLD},acme=${OLD}`), secretsOf(JSON.stringify({ acme: OLD, globex: OLD }))];
    const found = one.find('acme', OLD);
    expect(found).toEqual({ org: 'acme', name: expect.stringMatching(/^~[\w-]{8}$/) });
    expect(two.find('acme', OLD)).toEqual(found);
    expect(two.find('globex', OLD)?.name).not.toBe(found?.name);
    expect(one.all).toHaveLength(1);
  });

  test('in JSON a secret may have bounds', () => {
    const bounds = { name: 'branch', maxIdentities: 5, perMinute: 60, labels: { site: 'zrh' } };
    const given = { secret: OLD, expires: '2027-01-31', ...bounds };
    const secrets = secretsOf(
      JSON.stringify({ acme: [NEW, given], globex: { ...given, expires: '2027-01-31T12:00:00+01:00' } }),
    );
    const expected = { org: 'acme', expiresAtMs: Date.UTC(2027, 0, 31), ...bounds };
    expect(secrets.find('acme', OLD)).toEqual(expected);
    expect(secrets.find('globex', OLD)?.expiresAtMs).toBe(Date.UTC(2027, 0, 31, 11));
    expect(secrets.all).toHaveLength(3);
  });

  test.each([
    ['nothing', ' , '],
    ['an empty object', '{}'],
    ['no org', OLD],
    ['no secret', 'acme='],
    ['broken JSON', '{"acme":'],
    ['a secret that is no text', '{"acme":[1]}'],
    ['a member that nobody knows', JSON.stringify({ acme: { secret: OLD, maximum: 5 } })],
    ['a bound that is none', JSON.stringify({ acme: { secret: OLD, maxIdentities: 0 } })],
    ['a date that is none', JSON.stringify({ acme: { secret: OLD, expires: 'tomorrow' } })],
    ['a label that cannot be set', JSON.stringify({ acme: { secret: OLD, labels: { os: 'linux' } } })],
    [
      'two of one name',
      JSON.stringify({
        acme: [
          { secret: OLD, name: 'a' },
          { secret: NEW, name: 'a' },
        ],
      }),
    ],
    ['an org that is none', `Acme!=${OLD}`],
    ['a secret that can be guessed', 'acme=summer2026'],
  ])('%s is refused, without quoting a secret', (_name, text) => {
    const parsed = parseEnrollSecrets(text);
    expect(parsed.ok).toBe(false);
    expect(JSON.stringify(parsed)).not.toMatch(/0123456789|summer/);
  });

  test('printing them gives no secret away', () => {
    const secrets = secretsOf(`acme=${OLD}`);
    expect(inspect(secrets, { depth: 9, showHidden: true }) + JSON.stringify(secrets)).not.toContain(OLD);
  });
});
