import { createPrivateKey } from 'node:crypto';
import { factsDigest } from '@muster/gateway/facts-digest';
import { AgentTokenIssuer, importAgentKeys, type AgentKeys, type PrivateJwks } from '@muster/identity';
import type { AgentId, Facts, OrgId } from '@muster/protocol';
import { EPOCH_MS } from '../world/world.js';

export const ORG = 'acme' as OrgId;

/** An endpoint as it was enrolled. */
export interface Identity {
  readonly keys: AgentKeys;
  readonly agentId: AgentId;
  readonly num: number;
  readonly facts: Facts;
  readonly token: string;
}

/** The key of this number. Keys of a simulated world are no secret: they are the same in every run. */
function keyOf(number: number): AgentKeys {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, number)]);
  const jwk = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ format: 'jwk' });
  const keys = importAgentKeys(jwk);
  if (keys === undefined) throw new Error('not a key');
  return keys;
}

/** What signs agent tokens, commands, and the list of the keys that may sign commands. */
export const SIGNING_KEYS: PrivateJwks = {
  keys: [{ ...signingKey(), kid: 'simulated', alg: 'EdDSA', use: 'sig' }],
};

function signingKey() {
  const { x, d } = keyOf(255).privateKey.export({ format: 'jwk' });
  return { kty: 'OKP', crv: 'Ed25519', x: x ?? '', d: d ?? '' } as const;
}

/** Endpoints 1 to `count`, with tokens that were issued when time began. The number is that of the enrolment in the stream. */
export async function makeIdentities(count: number): Promise<readonly Identity[]> {
  const issuer = new AgentTokenIssuer(SIGNING_KEYS);
  return Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const num = index + 1;
      const keys = keyOf(num);
      const facts: Facts = { host: `e${num}`, os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' };
      const request = { org: ORG, num, publicKeyX: keys.publicKeyX, factsDigest: factsDigest(facts, {}) };
      return { keys, agentId: keys.agentId, num, facts, token: await issuer.issue(request, EPOCH_MS) };
    }),
  );
}
