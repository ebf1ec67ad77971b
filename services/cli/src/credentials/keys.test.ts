import { expect, test } from '@jest/globals';
import { parseEnrollSecrets, parseOperatorToken, parseSigningJwks } from '@muster/identity';
import { runCli } from '../run.js';
import { fakeTerminal } from '../testing/fake-terminal.js';

/** Standard output, which scripts read, and standard error, which people read. */
async function make(kind: string): Promise<{ secret: string; purpose: string }> {
  const terminal = fakeTerminal();
  expect(await runCli(['keys', kind], terminal)).toBe(0);
  expect(terminal.out()).toMatch(/^\S+\n$/);
  return { secret: terminal.out().trim(), purpose: terminal.err() };
}

test('a signing key is accepted by gateways, and every one is new', async () => {
  const { secret, purpose } = await make('token-signing');
  expect(parseSigningJwks(secret)).toMatchObject({ ok: true, jwks: { keys: [{ kty: 'OKP', alg: 'EdDSA' }] } });
  expect((await make('token-signing')).secret).not.toBe(secret);
  expect(purpose).toContain('MUSTER_AGENT_TOKEN_KEYS');
  expect(purpose).not.toContain(secret);
});

test('an operator token is accepted by the API', async () => {
  const { secret, purpose } = await make('operator-token');
  expect(parseOperatorToken(secret).ok).toBe(true);
  expect(purpose).toContain('MUSTER_BOOTSTRAP_TOKEN');
});

test('an enrolment secret is 32 random characters that gateways accept', async () => {
  const { secret, purpose } = await make('enroll-secret');
  expect(secret).toMatch(/^[a-z2-7]{32}$/);
  expect(parseEnrollSecrets(`acme=${secret}`).ok).toBe(true);
  expect(purpose).toContain('MUSTER_ENROLL_SECRETS');
});

test('an unknown kind is a usage error, and none lists the kinds', async () => {
  for (const args of [['keys', 'ssh'], ['keys']]) {
    const terminal = fakeTerminal();
    expect(await runCli(args, terminal)).toBe(2);
    expect(terminal.out()).toBe('');
  }
});
