import { randomBytes } from 'node:crypto';
import type { AgentTokenVerifier } from '@muster/identity';
import { LIMITS, SUBPROTOCOL, type AgentId } from '@muster/protocol';
import type { Clock, TokenBucket } from '@muster/runtime';
import type { Ticket } from '../session/session.js';
import type { HttpReply, UpgradeDecision, UpgradeRequest } from '../transport/transport.js';
import type { AdmissionMetrics } from './admission-metrics.js';
import type { Overlays } from './overlays.js';
import type { RefusalTrail } from './refusal-trail.js';
import { bearerOf, problemReply, retryAfter } from './replies.js';

export const LIVE_PATH = '/v1/live';

export interface DoorkeeperOptions {
  readonly verifier: AgentTokenVerifier;
  readonly overlays: Overlays;
  readonly audit: RefusalTrail;
  readonly rate: TokenBucket;
  readonly clock: Clock;
  readonly metrics: AdmissionMetrics;
  readonly maxConnections: number;
  readonly connections: () => number;
  readonly draining: () => boolean;
  /** Whether one more connection of this agent may wait for its hello. */
  readonly mayChallenge: (agentId: AgentId) => boolean;
}

/** Decides over upgrades from the request alone: no look-up, no wait, and refusals cheaper than admissions. */
export class Doorkeeper {
  readonly #options: DoorkeeperOptions;

  constructor(options: DoorkeeperOptions) {
    this.#options = options;
  }

  decide(request: UpgradeRequest): UpgradeDecision<Ticket> {
    const { metrics } = this.#options;
    const refused = this.#refuseEarly(request);
    if (refused !== undefined) {
      metrics.upgrades.inc({ result: refused.result });
      return { kind: 'refuse', reply: refused.reply };
    }
    const decision = this.#identify(bearerOf(request.authorization), request.address);
    metrics.upgrades.inc({ result: decision.result });
    return decision.kind === 'refuse'
      ? { kind: 'refuse', reply: decision.reply }
      : { kind: 'accept', protocol: SUBPROTOCOL, ticket: decision.ticket };
  }

  #refuseEarly(request: UpgradeRequest): { result: string; reply: HttpReply } | undefined {
    const { draining, connections, maxConnections, rate } = this.#options;
    if (request.path !== LIVE_PATH) {
      return { result: 'not_found', reply: problemReply('not_found', `agents connect to ${LIVE_PATH}`) };
    }
    if (request.origin !== undefined) {
      return {
        result: 'origin',
        reply: problemReply('forbidden', 'agents send no Origin; browsers have no business here'),
      };
    }
    if (!request.protocols.includes(SUBPROTOCOL)) {
      const headers = { upgrade: 'websocket', 'sec-websocket-protocol': SUBPROTOCOL };
      return {
        result: 'subprotocol',
        reply: problemReply('upgrade_required', `offer the subprotocol ${SUBPROTOCOL}`, headers),
      };
    }
    if (draining()) {
      return {
        result: 'draining',
        reply: problemReply('draining', 'this gateway stops; connect again', retryAfter(1_000)),
      };
    }
    if (connections() >= maxConnections) {
      return {
        result: 'full',
        reply: problemReply('gateway_full', 'this gateway takes no more sessions', retryAfter(5_000)),
      };
    }
    const taken = rate.take();
    if (!taken.ok) {
      const headers = retryAfter(taken.retryAfterMs);
      return {
        result: 'rate',
        reply: problemReply('rate_limited', 'too many connect at once; wait and try again', headers),
      };
    }
    return undefined;
  }

  #identify(
    token: string | undefined,
    from: string,
  ):
    | { readonly kind: 'refuse'; readonly result: string; readonly reply: HttpReply }
    | { readonly kind: 'accept'; readonly result: 'accepted'; readonly ticket: Ticket } {
    const { verifier, overlays, audit, clock } = this.#options;
    const nowMs = clock.now();
    const verified = token === undefined ? undefined : verifier.verify(token, nowMs);
    if (token === undefined || verified === undefined) {
      const headers = { 'www-authenticate': 'Bearer realm="muster"' };
      return {
        kind: 'refuse',
        result: 'no_token',
        reply: problemReply('unauthenticated', 'an agent token is required', headers),
      };
    }
    if (!verified.ok) {
      const headers = { 'www-authenticate': 'Bearer realm="muster", error="invalid_token"' };
      const reply =
        verified.reason === 'expired'
          ? problemReply('token_expired', 'the agent token has expired; enrol again', headers)
          : problemReply('unauthenticated', 'the agent token is not valid here', headers);
      return { kind: 'refuse', result: verified.reason, reply };
    }
    const { agentId, org, num, publicKeyX, factsDigest, issuedAtMs, expiresAtMs } = verified.claims;
    if (overlays.isRevoked(org, agentId)) {
      audit.refused({ org, action: 'agent.connect', from, agentId, code: 'revoked', reason: 'the agent was revoked' });
      const reply = problemReply('revoked', `agent ${agentId} was revoked`);
      return { kind: 'refuse', result: 'revoked', reply };
    }
    if (!this.#options.mayChallenge(agentId)) {
      const reply = problemReply(
        'rate_limited',
        'this agent has connections that wait for their hello',
        retryAfter(5_000),
      );
      return { kind: 'refuse', result: 'unproven', reply };
    }
    const challenge = {
      nonce: randomBytes(32),
      token,
      publicKey: publicKeyX,
      factsDigest,
      tokenIssuedAtMs: issuedAtMs,
      tokenExpiresAtMs: expiresAtMs,
      deadlineMs: clock.monotonic() + LIMITS.helloDeadlineMs,
      bytes: 0,
    };
    return { kind: 'accept', result: 'accepted', ticket: { org, agentId, num, challenge } };
  }
}
