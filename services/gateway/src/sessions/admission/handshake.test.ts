import { describe, expect, it } from '@jest/globals';
import type { DirectoryWriter } from '@muster/directory';
import { AgentTokenIssuer, generateAgentKeys, generateSigningJwks, signHelloProof } from '@muster/identity';
import { encodeBody, type HelloBody } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../../testing/fake-session.js';
import { Session, type Challenge } from '../hub/session.js';
import { factsDigest } from './facts-digest.js';
import type { DenialAuditor } from './denial-auditor.js';
import { Handshake } from './handshake.js';

const FACTS: HelloBody['facts'] = {
  ...{ host: 'web-1', os: 'linux', arch: 'x64', osName: '', osVersion: '12', agentVersion: '1.2' },
};

async function setUp() {
  const clock = new FakeClock();
  const keys = generateAgentKeys();
  const denials: object[] = [];
  const handshake = new Handshake({
    ...{ clock, logger: silentLogger, capabilities: [{ name: 'query' }, { name: 'mode' }] },
    issuer: new AgentTokenIssuer(await generateSigningJwks()),
    directory: { recordFacts: () => Promise.resolve({ kind: 'ok' }) } as unknown as DirectoryWriter,
    overrides: { labelsOf: () => ({ wave: 'one' }), isRevoked: () => false },
    auditor: { denied: (denial: object) => void denials.push(denial) } as unknown as DenialAuditor,
  });
  const challenge: Challenge = {
    ...{ nonce: new Uint8Array(32).fill(7), token: 'the token', publicKey: keys.publicKeyX, bytes: 0 },
    factsDigest: factsDigest(FACTS, { env: 'prod' }),
    ...{ tokenIssuedAtMs: clock.now(), tokenExpiresAtMs: clock.now() + 1_000_000, deadlineMs: 10_000 },
  };
  const { connection } = fakeSession(1).session;
  const { org, mode } = fakeSession(1).session;
  const session = new Session({ org, agentId: keys.agentId, num: 1, mode, challenge }, connection, 0);
  const hello = (change: Partial<HelloBody> = {}, claim: object = {}): Uint8Array => {
    const proof = signHelloProof(keys.privateKey, {
      ...{ agentId: keys.agentId, nonce: challenge.nonce, token: challenge.token },
      ...claim,
    });
    return encodeBody('hello', {
      ...{ facts: FACTS, labels: { env: 'prod' }, capabilities: ['query'], instance: new Uint8Array(16).fill(0xab) },
      proof: new Uint8Array(proof),
      ...change,
    });
  };
  const admit = async (change: Partial<HelloBody> = {}): Promise<string | undefined> => {
    const verified = handshake.verify(session, hello(change));
    if (!verified.ok) throw new Error(verified.detail);
    return handshake.admit(session, verified);
  };
  return { handshake, session, challenge, denials, hello, admit };
}

describe('a hello', () => {
  it('that proves the key of the token is taken', async () => {
    const { handshake, session, challenge, denials, hello } = await setUp();
    const result = handshake.verify(session, hello());
    expect(result).toMatchObject({ ok: true, hello: { facts: FACTS } });
    expect([result.ok && result.challenge === challenge, denials]).toEqual([true, []]);
  });

  it.each([
    ['another challenge', { nonce: new Uint8Array(32) }],
    ['another token', { token: 'another' }],
    ['another agent', { agentId: 'somebody' }],
  ])('whose proof is for %s is refused, and kept in the audit record', async (_what, claim) => {
    const { handshake, session, denials, hello } = await setUp();
    expect(handshake.verify(session, hello({}, claim))).toMatchObject({ ok: false, reason: 'unauthenticated' });
    expect(denials).toMatchObject([
      { org: 'acme', action: 'agent.connect', from: '127.0.0.1', agentId: session.agentId, code: 'unauthenticated' },
    ]);
  });

  it('that does not fit is refused with what is wrong, and so is a second one', async () => {
    const { handshake, session, denials, hello } = await setUp();
    const short = hello({ instance: new Uint8Array(3) });
    expect(handshake.verify(session, short)).toMatchObject({ ok: false, reason: 'helloInvalid' });
    expect((handshake.verify(session, short) as { detail: string }).detail).toMatch(/^instance/);
    session.challenge = undefined;
    expect(handshake.verify(session, hello())).toMatchObject({ ok: false, reason: 'protocolError' });
    expect(denials).toEqual([]);
  });
});

describe('an agent that is admitted', () => {
  it('has the profile of its facts, its labels and the operators’, and the capabilities that the gateway knows', async () => {
    const { session, admit } = await setUp();
    expect(await admit({ capabilities: ['query', 'unheard of'], replaces: 9 })).toBeUndefined();
    const { profile } = session;
    expect(profile).toMatchObject({ os: 'linux', arch: 'x64', agentVersion: '1.2', mode: 'live' });
    expect([profile?.agentLabels, profile?.labels]).toEqual([{ env: 'prod' }, { env: 'prod', wave: 'one' }]);
    expect([...(profile?.capabilities ?? [])]).toEqual(['query']);
    expect([session.host, session.instance, session.replaces]).toEqual(['web-1', 'ab'.repeat(16), 9]);
  });

  it('gets a new token when its facts have changed', async () => {
    const { admit } = await setUp();
    expect(await admit({ facts: { ...FACTS, osVersion: '13' } })).toMatch(/^ey/);
  });
});
