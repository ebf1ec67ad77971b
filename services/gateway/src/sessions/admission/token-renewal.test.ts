import { describe, expect, it } from '@jest/globals';
import type { DirectoryWriter } from '@muster/directory';
import {
  AgentTokenIssuer,
  AgentTokenVerifier,
  exportAgentKeys,
  generateAgentKeys,
  generateSigningJwks,
  publicJwks,
} from '@muster/identity';
import type { AgentId, Facts, Labels, OrgId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { factsDigest } from './facts-digest.js';
import { renewToken } from './token-renewal.js';

const FACTS: Facts = { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '12', agentVersion: '1' };
const LABELS: Labels = { env: 'prod' };
const DAY = 86_400_000;

async function setUp({ isAway = false } = {}) {
  const clock = new FakeClock();
  const jwks = await generateSigningJwks();
  const publicKey = exportAgentKeys(generateAgentKeys()).x;
  const recorded: unknown[] = [];
  const directory = {
    recordFacts: (...record: unknown[]) => {
      recorded.push(record);
      return Promise.resolve(isAway ? { kind: 'unavailable', cause: new Error('away') } : { kind: 'ok' });
    },
  } as unknown as DirectoryWriter;
  const parts = { directory, clock, logger: silentLogger, issuer: new AgentTokenIssuer(jwks) };
  const agent = { org: 'acme' as OrgId, agentId: 'a1' as AgentId, num: 5 };
  const renew = async (said: { facts?: Facts; labels?: Labels; ageMs?: number } = {}) => {
    const { facts = FACTS, labels = LABELS, ageMs = 0 } = said;
    const tokenIssuedAtMs = clock.now() - ageMs;
    const former = { publicKey, factsDigest: factsDigest(FACTS, LABELS), tokenIssuedAtMs };
    const token = await renewToken(parts, agent, {
      ...{ facts, labels },
      former: { ...former, tokenExpiresAtMs: tokenIssuedAtMs + 30 * DAY },
    });
    const verified = new AgentTokenVerifier(publicJwks(jwks)).verify(token ?? '', clock.now());
    return verified.ok ? verified.claims : undefined;
  };
  return { clock, recorded, publicKey, renew };
}

describe('an agent that connects', () => {
  it('keeps its token for half of its life, as long as it says the same', async () => {
    const { recorded, renew } = await setUp();
    expect([await renew(), await renew({ ageMs: 15 * DAY }), recorded]).toEqual([undefined, undefined, []]);
  });

  it('gets a new token after that, for the same number, key and facts', async () => {
    const { clock, recorded, publicKey, renew } = await setUp();
    expect(await renew({ ageMs: 15 * DAY + 1 })).toMatchObject({
      ...{ org: 'acme', num: 5, publicKeyX: publicKey, factsDigest: factsDigest(FACTS, LABELS) },
      issuedAtMs: Math.floor(clock.now() / 1_000) * 1_000,
    });
    expect(recorded).toEqual([]);
  });

  it.each([
    ['facts', { facts: { ...FACTS, osVersion: '13' } }],
    ['labels', { labels: { env: 'test' } }],
  ])('that says other %s gets a token that names them, and they are recorded', async (_what, said) => {
    const { clock, recorded, renew } = await setUp();
    const { facts, labels } = { facts: FACTS, labels: LABELS, ...said };
    expect((await renew(said))?.factsDigest).toBe(factsDigest(facts, labels));
    expect(recorded).toEqual([['acme', 'a1', { facts, labels, seenAtMs: clock.now() }]]);
  });

  it('gets no token that names what could not be recorded', async () => {
    const { renew } = await setUp({ isAway: true });
    const labels = { env: 'test' };
    expect(await renew({ labels })).toBeUndefined();
    expect((await renew({ labels, ageMs: 16 * DAY }))?.factsDigest).toBe(factsDigest(FACTS, LABELS));
  });
});

describe('the digest of what an agent says', () => {
  it('is short, and differs with any of it', () => {
    const digest = factsDigest(FACTS, LABELS);
    expect(digest).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(factsDigest({ ...FACTS }, { ...LABELS })).toBe(digest);
    const others = [
      factsDigest({ ...FACTS, host: 'i' }, LABELS),
      factsDigest(FACTS, {}),
      factsDigest(FACTS, { env: 'x' }),
    ];
    expect(new Set([digest, ...others]).size).toBe(4);
  });
});
