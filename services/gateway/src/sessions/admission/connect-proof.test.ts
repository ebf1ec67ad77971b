import { beforeAll, expect, it } from '@jest/globals';
import {
  AgentTokenIssuer,
  AgentTokenVerifier,
  exportAgentKeys,
  generateAgentKeys,
  generateSigningJwks,
  publicJwks,
  signConnectProof,
  type PrivateJwks,
} from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { SessionTable } from '../hub/session-table.js';
import { AdmissionControl } from './admission-control.js';

let jwks: PrivateJwks;
let token: string;
const keys = generateAgentKeys();
const clock = new FakeClock();

beforeAll(async () => {
  jwks = await generateSigningJwks();
  const publicKeyX = exportAgentKeys(keys).x;
  const request = { org: 'acme' as OrgId, num: 7, publicKeyX, factsDigest: '' };
  token = await new AgentTokenIssuer(jwks).issue(request, clock.now());
});

function admission() {
  const control = new AdmissionControl({
    ...{ clock, upgradeRate: 10, upgradeBurst: 100, table: new SessionTable(), draining: () => false },
    verifier: new AgentTokenVerifier(publicJwks(jwks)),
    overrides: { isRevoked: () => false },
    identities: { isRemoved: () => false },
    auditor: { denied: () => undefined },
  });
  return (proof?: string): string => {
    const decision = control.decide({ mode: 'live', address: '192.0.2.1', token, proof });
    return decision.kind === 'accept' ? 'accept' : decision.result;
  };
}

const proofAt = (timestampMs: number, signer = keys): string =>
  signConnectProof(signer.privateKey, { agentId: keys.agentId, token, timestampMs });

/** Opens with the token until one address gets no more of it. */
function crowd(decide: ReturnType<typeof admission>): void {
  for (let i = 0; i < 20 && decide() === 'accept'; i += 1);
  expect(decide()).toBe('agent_rate');
}

it('a proof of the key opens what the token alone does not, once, while it is fresh', () => {
  const decide = admission();
  crowd(decide);
  const proof = proofAt(clock.now());
  expect([decide(proof), decide(proof)]).toEqual(['accept', 'agent_rate']);
  expect(decide(proofAt(clock.now(), generateAgentKeys()))).toBe('agent_rate');
  expect(decide(proofAt(clock.now() - 300_001))).toBe('agent_rate');
  expect(decide('nonsense')).toBe('agent_rate');
  expect(decide(proofAt(clock.now() + 1))).toBe('accept');
});
