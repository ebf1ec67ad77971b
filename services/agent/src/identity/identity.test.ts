import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { generateAgentKeys, verifyEnrollProof, verifyHelloProof } from '@muster/identity';
import { Secret, silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { FakeGateway, type FakeRefusal } from '../testing/fake-gateway.js';
import { AgentIdentity, type SelfDescription } from './agent-identity.js';
import { enrol, type EnrolRequest } from './enrol.js';

const SELF: SelfDescription = {
  facts: { host: 'h', os: 'linux', arch: 'x', osName: 'n', osVersion: 'v', agentVersion: '1' },
  labels: { env: 'test' },
  instance: new Uint8Array(16),
};

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-agent-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('an identity', () => {
  test('is made once, and only its user can read it', () => {
    const data = join(folder, 'data');
    const first = AgentIdentity.open(data, silentLogger);
    first.setToken('a token');
    expect(statSync(data).mode & 0o777).toBe(0o700);
    for (const file of ['agent-key.json', 'agent-token']) expect(statSync(join(data, file)).mode & 0o777).toBe(0o600);
    const second = AgentIdentity.open(data, silentLogger);
    expect({ id: second.agentId, token: second.token() }).toEqual({ id: first.agentId, token: 'a token' });
    second.setToken(undefined);
    expect(AgentIdentity.open(data, silentLogger).token()).toBeUndefined();
  });

  test.each(['', 'a\nb', 'sch\u00f6n\u2026'])(
    '%j is no token: it takes the place of none, and is none when it is stored',
    (text) => {
      const identity = AgentIdentity.open(folder, silentLogger);
      identity.setToken('first');
      identity.setToken(text);
      expect(identity.token()).toBe('first');
      writeFileSync(join(folder, 'agent-token'), text);
      expect(AgentIdentity.open(folder, silentLogger).token()).toBeUndefined();
    },
  );

  test('an invalid key file stops the agent; it does not create a new identity', () => {
    writeFileSync(join(folder, 'agent-key.json'), '{"kty":"OKP"}', { mode: 0o600 });
    expect(() => AgentIdentity.open(folder, silentLogger)).toThrow(/holds no agent key/);
    expect(readFileSync(join(folder, 'agent-key.json'), 'utf8')).toBe('{"kty":"OKP"}');
  });

  test('the hello proves possession of the key, for this challenge and this token', () => {
    const identity = AgentIdentity.open(folder, silentLogger);
    const nonce = new Uint8Array(32).fill(3);
    const { proof } = identity.hello(SELF, { nonce, serverTimeMs: 1 }, 'token');
    const claim = { agentId: identity.agentId, nonce, token: 'token' };
    expect(verifyHelloProof(identity.keys.publicKeyX, claim, proof)).toBe(true);
    expect(verifyHelloProof(identity.keys.publicKeyX, { ...claim, token: 'stolen' }, proof)).toBe(false);
  });
});

describe('enrolment', () => {
  const keys = generateAgentKeys();
  const gateways: FakeGateway[] = [];
  afterEach(async () => {
    for (const gateway of gateways.splice(0)) await gateway.stop();
  });

  async function ask(
    reply: (body: Record<string, unknown>, headers: NodeJS.Dict<string | string[]>) => FakeRefusal,
    overrides: Partial<EnrolRequest> = {},
  ) {
    const gateway = await FakeGateway.start({
      enrol: (request, body) => reply(body as Record<string, unknown>, request.headers),
    });
    gateways.push(gateway);
    const request: EnrolRequest = {
      url: gateway.url.replace(/^ws(.*)live$/, 'http$1enroll'),
      org: 'acme',
      secret: new Secret('sesame'),
      keys,
      facts: SELF.facts,
      labels: SELF.labels,
      clock: new FakeClock(),
      signal: new AbortController().signal,
    };
    return enrol({ ...request, ...overrides });
  }

  test('sends the key, a proof that verifies, facts, labels and the secret', async () => {
    const clock = new FakeClock();
    const outcome = await ask((body, headers) => {
      expect(headers.authorization).toBe('Bearer sesame');
      expect(body).toMatchObject({
        org: 'acme',
        publicKey: keys.publicKeyX,
        facts: SELF.facts,
        labels: { env: 'test' },
      });
      const claim = { org: 'acme', publicKeyX: keys.publicKeyX, timestampMs: body.timestampMs as number };
      expect(verifyEnrollProof(claim, body.proof as string, clock.now())).toEqual({ ok: true });
      return { status: 201, body: { agentId: keys.agentId, num: 7, token: 'tok', expiresAtMs: 1 } };
    });
    expect(outcome).toEqual({ kind: 'enrolled', agentId: keys.agentId, num: 7, token: 'tok' });
  });

  test('a refusal is passed on with its code and Retry-After', async () => {
    const outcome = await ask(() => ({
      status: 429,
      headers: { 'retry-after': '12' },
      body: { code: 'rate_limited', detail: 'slow down' },
    }));
    expect(outcome).toEqual({
      kind: 'refused',
      refusal: { status: 429, code: 'rate_limited', detail: 'slow down', retryAfterMs: 12_000 },
    });
  });

  test('a clock that is wrong is corrected by the gateway, once', async () => {
    const serverMs = new FakeClock().now() + 3_600_000;
    const stamps: number[] = [];
    const outcome = await ask((body) => {
      stamps.push(body.timestampMs as number);
      const fresh = Math.abs(serverMs - (body.timestampMs as number)) < 300_000;
      return fresh
        ? { status: 200, body: { agentId: keys.agentId, num: 1, token: 'tok' } }
        : { status: 401, headers: { date: new Date(serverMs).toUTCString() }, body: { code: 'enrolment_refused' } };
    });
    expect(outcome.kind).toBe('enrolled');
    expect(stamps).toHaveLength(2);
  });

  test('an invalid answer, or one for another key, is a failure', async () => {
    expect(await ask(() => ({ status: 200, body: 'welcome to the captive portal' }))).toMatchObject({ kind: 'failed' });
    const mine = { agentId: keys.agentId, num: 1, token: 't' };
    for (const body of [
      { ...mine, agentId: 'x' },
      { ...mine, token: 'a\r\nb' },
    ]) {
      expect(await ask(() => ({ status: 200, body }))).toMatchObject({ kind: 'failed' });
    }
  });

  test('a connection error is a failure, not an exception', async () => {
    const outcome = await ask(() => ({ status: 200 }), { url: 'http://127.0.0.1:1/v1/enroll' });
    expect(outcome).toMatchObject({ kind: 'failed', error: { message: expect.stringContaining('ECONNREFUSED') } });
  });
});
