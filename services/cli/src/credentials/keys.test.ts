import { expect, test } from '@jest/globals';
import { parseEnrollSecrets, parseOperatorToken, parseSigningJwks } from '@muster/identity';
import { runCli } from '../run.js';
import { fakeTerminal } from '../testing/fake-terminal.js';

/** What a script gets, and what the person beside it reads. */
async function make(kind: string): Promise<{ secret: string; purpose: string }> {
  const terminal = fakeTerminal();
  expect(await runCli(['keys', kind], terminal)).toBe(0);
  expect(terminal.out()).toMatch(/^\S+\n$/);
  return { secret: terminal.out().trim(), purpose: terminal.err() };
}

test('a signing key is what gateways take, and each is another', async () => {
  const { secret, purpose } = await make('token-signing');
  expect(parseSigningJwks(secret)).toMatchObject({ ok: true, jwks: { keys: [{ kty: 'OKP', alg: 'EdDSA' }] } });
  expect((await make('token-signing')).secret).not.toBe(secret);
  expect(purpose).toContain('MUSTER_AGENT_TOKEN_KEYS');
  expect(purpose).not.toContain(secret);
});

test('an operator token is what the API takes', async () => {
  const { secret, purpose } = await make('operator-token');
  expect(parseOperatorToken(secret).ok).toBe(true);
  expect(purpose).toContain('MUSTER_BOOTSTRAP_TOKEN');
});

test('an enrolment secret is 32 random characters that gateways take', async () => {
  const { secret, purpose } = await make('enroll-secret');
  expect(secret).toMatch(/^[a-z2-7]{32}$/);
  expect(parseEnrollSecrets(`acme=${secret}`).ok).toBe(true);
  expect(purpose).toContain('MUSTER_ENROLL_SECRETS');
});

test('there is no other kind, and naming none shows which there are', async () => {
  for (const args of [['keys', 'ssh'], ['keys']]) {
    const terminal = fakeTerminal();
    expect(await runCli(args, terminal)).toBe(2);
    expect(terminal.out()).toBe('');
  }
});
