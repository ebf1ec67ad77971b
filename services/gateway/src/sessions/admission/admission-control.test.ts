import { beforeAll, describe, expect, it } from '@jest/globals';
import {
  AgentTokenIssuer,
  AgentTokenVerifier,
  generateAgentKeys,
  generateSigningJwks,
  publicJwks,
  type PrivateJwks,
} from '@muster/identity';
import { LIMITS, type AgentId, type OrgId, type SessionMode } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../../testing/fake-session.js';
import { SessionTable } from '../hub/session-table.js';
import { AdmissionControl, type Admission } from './admission-control.js';

const MODES = ['live', 'poll'] as const satisfies SessionMode[];
const DAY = 86_400_000;

let jwks: PrivateJwks;
let foreign: PrivateJwks;
beforeAll(async () => {
  [jwks, foreign] = await Promise.all([generateSigningJwks(), generateSigningJwks()]);
});

function setUp({ maxConnections = Infinity, upgradeRate = 100, upgradeBurst = 100 } = {}) {
  const clock = new FakeClock();
  const table = new SessionTable(maxConnections);
  const denied: object[] = [];
  const state = { draining: false, revoked: new Set<string>(), removed: new Set<number>() };
  const admission = new AdmissionControl({
    ...{ clock, table, upgradeRate, upgradeBurst },
    verifier: new AgentTokenVerifier(publicJwks(jwks)),
    overrides: { isRevoked: (org, agentId) => state.revoked.has(`${org}/${agentId}`) },
    identities: { isRemoved: (_org, _agentId, num) => state.removed.has(num) },
    auditor: { denied: (denial) => void denied.push(denial) },
    draining: () => state.draining,
  });
  /** An agent that may connect. */
  const agent = async (by = jwks) => {
    const keys = generateAgentKeys();
    const request = { org: 'acme' as OrgId, num: 7, publicKeyX: keys.publicKeyX, factsDigest: 'fd' };
    return { keys, token: await new AgentTokenIssuer(by).issue(request, clock.now()) };
  };
  const decide = (token: string | undefined, address = '192.0.2.1', mode: SessionMode = 'live'): Admission =>
    admission.decide({ mode, address, token });
  const resultOf = (...asked: Parameters<typeof decide>): string => {
    const decision = decide(...asked);
    return decision.kind === 'deny' ? decision.result : 'accept';
  };
  return { clock, table, denied, state, agent, decide, resultOf };
}

/** A token of this deployment with a signature that is none. */
const falsified = (token: string): string => `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(86)}`;

describe.each(MODES)('an agent that connects over %s', (mode) => {
  it('with its token is challenged: it has ten seconds to prove that it has the key', async () => {
    const { clock, agent, decide } = setUp();
    const { keys, token } = await agent();
    clock.advance(1_500);
    const decision = decide(token, '192.0.2.1', mode);
    if (decision.kind === 'deny') throw new Error(decision.message);
    const { challenge, ...context } = decision.context;
    expect(context).toEqual({ org: 'acme', agentId: keys.agentId, num: 7, mode });
    const { nonce, ...rest } = challenge;
    const issuedAtMs = clock.now() - 1_500 - ((clock.now() - 1_500) % 1_000);
    expect(rest).toEqual({
      ...{ token, publicKey: keys.publicKeyX, factsDigest: 'fd', bytes: 0 },
      ...{ tokenIssuedAtMs: issuedAtMs, tokenExpiresAtMs: issuedAtMs + 30 * DAY },
      deadlineMs: 1_500 + LIMITS.helloDeadlineMs,
    });
    const other = decide(token, '192.0.2.1', mode);
    expect(nonce).toHaveLength(32);
    expect(other.kind === 'accept' && other.context.challenge.nonce).not.toEqual(nonce);
  });

  it('without a token of this deployment, or with one that is over, is told so', async () => {
    const { clock, agent, decide } = setUp();
    const { token } = await agent();
    const missing = { kind: 'deny', result: 'no_token', code: 'unauthenticated', token: 'missing' };
    expect(decide(undefined, '192.0.2.1', mode)).toMatchObject(missing);
    const invalid = { kind: 'deny', code: 'unauthenticated', token: 'invalid' };
    expect(decide('x', '192.0.2.1', mode)).toMatchObject({ ...invalid, result: 'malformed' });
    const stranger = await agent(foreign);
    expect(decide(stranger.token, '192.0.2.1', mode)).toMatchObject({ ...invalid, result: 'unknown_key' });
    clock.advance(31 * DAY);
    const expired = { kind: 'deny', result: 'expired', code: 'token_expired', token: 'invalid' };
    expect(decide(token, '192.0.2.1', mode)).toMatchObject(expired);
  });

  it('after it was revoked is refused, and that is kept in the audit record', async () => {
    const { state, denied, agent, decide } = setUp();
    const { keys, token } = await agent();
    state.revoked.add(`acme/${keys.agentId}`);
    expect(decide(token, '192.0.2.1', mode)).toMatchObject({ kind: 'deny', result: 'revoked', code: 'revoked' });
    expect(denied).toMatchObject([
      { org: 'acme', action: 'agent.connect', from: '192.0.2.1', agentId: keys.agentId, code: 'revoked' },
    ]);
  });

  it('after its identity was removed has to enrol again', async () => {
    const { state, denied, agent, decide } = setUp();
    const { token } = await agent();
    state.removed.add(7);
    const removed = { kind: 'deny', result: 'removed', code: 'unauthenticated', token: 'invalid' };
    expect(decide(token, '192.0.2.1', mode)).toMatchObject(removed);
    expect(denied).toEqual([]);
  });
});

describe('a gateway that', () => {
  it('stops, or is full, takes nobody, and says when to come again', async () => {
    const { table, state, agent, decide } = setUp({ maxConnections: 1 });
    const { token } = await agent();
    const { session } = fakeSession(1);
    table.add(session);
    table.pending.delete(session);
    expect(decide(token)).toMatchObject({ kind: 'deny', result: 'full', code: 'gateway_full', retryAfterMs: 5_000 });
    state.draining = true;
    expect(decide(token)).toMatchObject({ kind: 'deny', result: 'draining', code: 'draining', retryAfterMs: 1_000 });
    state.draining = false;
    table.delete(session);
    expect(decide(token).kind).toBe('accept');
  });

  it('takes more than its rate makes the others wait', async () => {
    const { clock, agent, decide, resultOf } = setUp({ upgradeRate: 10, upgradeBurst: 3 });
    const agents = await Promise.all(Array.from({ length: 4 }, () => agent()));
    expect(agents.map(({ token }) => resultOf(token))).toEqual(['accept', 'accept', 'accept', 'rate']);
    expect(decide(agents[3]!.token)).toMatchObject({ code: 'rate_limited', retryAfterMs: 100 });
    clock.advance(100);
    expect(resultOf(agents[3]!.token)).toBe('accept');
  });
});

describe('what is not proven takes nothing of what is:', () => {
  it('no token, or one of nobody, costs no rate', async () => {
    const { agent, resultOf } = setUp({ upgradeRate: 1, upgradeBurst: 1 });
    for (let i = 0; i < 200; i += 1) {
      expect([resultOf(undefined), resultOf('garbage')]).toEqual(['no_token', 'malformed']);
    }
    expect(resultOf((await agent()).token)).toBe('accept');
  });

  it('what is refused before its signature is looked at does not count as false', async () => {
    const { agent, resultOf } = setUp({ upgradeRate: 1, upgradeBurst: 1 });
    const [{ token }, stranger] = [await agent(), await agent(foreign)];
    for (let i = 0; i < 200; i += 1)
      expect([resultOf('x'), resultOf(stranger.token)]).toEqual(['malformed', 'unknown_key']);
    expect(resultOf(falsified(token))).toBe('bad_signature');
    for (let i = 0; i < 49; i += 1) resultOf(falsified(token));
    expect([resultOf(falsified(token)), resultOf(falsified(token))]).toEqual(['bad_signature', 'unproven_rate']);
  });

  it('false signatures of one address are not checked any more, those of another are, and a good token still opens', async () => {
    const { clock, agent, decide, resultOf } = setUp({ upgradeRate: 5, upgradeBurst: 100 });
    const { token } = await agent();
    const results = Array.from({ length: 70 }, () => resultOf(falsified(token)));
    expect(results.filter((result) => result === 'bad_signature')).toHaveLength(55);
    expect(results.at(-1)).toBe('unproven_rate');
    const limited = decide(falsified(token));
    expect(limited).toMatchObject({ kind: 'deny', code: 'rate_limited', retryAfterMs: 200 });
    expect(resultOf(falsified(token), '198.51.100.7')).toBe('bad_signature');
    expect(resultOf(token, '198.51.100.7')).toBe('accept');
    clock.advance(1_000);
    expect(resultOf(falsified(token))).toBe('bad_signature');
  });

  it('one agent from one address cannot use up the rate of all', async () => {
    const { clock, agent, decide, resultOf } = setUp({ upgradeRate: 50, upgradeBurst: 20 });
    const { token } = await agent();
    const results = Array.from({ length: 40 }, () => resultOf(token));
    // Ten of its own, five that all share who take more than theirs.
    expect(results.filter((result) => result === 'accept')).toHaveLength(15);
    expect(results.at(-1)).toBe('agent_rate');
    expect(decide(token)).toMatchObject({ code: 'rate_limited', retryAfterMs: 200 });
    expect(resultOf(token, '198.51.100.7')).toBe('accept');
    const others = await Promise.all(Array.from({ length: 9 }, () => agent()));
    expect(others.map((each) => resultOf(each.token))).toEqual(others.map(() => 'accept'));
    clock.advance(1_000);
    expect(resultOf(token)).toBe('accept');
  });
});

it('agents of one id in two orgs are two agents', async () => {
  const { state, agent, resultOf } = setUp();
  const { keys, token } = await agent();
  state.revoked.add(`globex/${keys.agentId as AgentId}`);
  expect(resultOf(token)).toBe('accept');
});
