import type { DirectoryWriter } from '@muster/directory';
import { needsRenewal, type AgentTokenIssuer } from '@muster/identity';
import type { AgentId, HelloBody, OrgId } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import { factsDigest } from './facts-digest.js';

export interface RenewalParts {
  readonly issuer: AgentTokenIssuer;
  readonly directory: DirectoryWriter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the token that an agent connected with says. */
export interface FormerToken {
  readonly publicKey: string;
  readonly factsDigest: string;
  readonly tokenIssuedAtMs: number;
  readonly tokenExpiresAtMs: number;
}

/**
 * A new token for an agent that connects: when the old one is past half its life, or when what the agent says of itself has changed.
 * Changed facts are recorded first; the token then names them, so that the next connect writes nothing.
 */
export async function renewToken(
  parts: RenewalParts,
  agent: { readonly org: OrgId; readonly agentId: AgentId; readonly num: number },
  { facts, labels, former }: Pick<HelloBody, 'facts' | 'labels'> & { readonly former: FormerToken },
): Promise<string | undefined> {
  const { issuer, directory, clock, logger } = parts;
  const nowMs = clock.now();
  let digest = factsDigest(facts, labels);
  if (digest !== former.factsDigest) {
    const kept = await directory.recordFacts(agent.org, agent.agentId, { facts, labels, seenAtMs: nowMs });
    if (kept.kind === 'unavailable') {
      logger.warn('changed facts could not be kept', { err: kept.cause });
      digest = former.factsDigest;
    }
  }
  const life = { issuedAtMs: former.tokenIssuedAtMs, expiresAtMs: former.tokenExpiresAtMs };
  if (!needsRenewal(life, nowMs) && digest === former.factsDigest) return undefined;
  return issuer.issue({ org: agent.org, num: agent.num, publicKeyX: former.publicKey, factsDigest: digest }, nowMs);
}
