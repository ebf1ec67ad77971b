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
    expect([OLD, NEW, OTHER, ''].map((secret) => secrets.matches('acme', secret))).toEqual([true, true, false, false]);
    expect(secrets.matches('globex', OTHER)).toBe(true);
    expect(secrets.matches('globex', OLD)).toBe(false);
    expect(secrets.matches('nobody', OLD)).toBe(false);
    expect(secrets.matches('__proto__', OLD)).toBe(false);
  });

  test.each([
    ['nothing', ' , '],
    ['an empty object', '{}'],
    ['no org', OLD],
    ['no secret', 'acme='],
    ['broken JSON', '{"acme":'],
    ['a secret that is no text', '{"acme":[1]}'],
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
