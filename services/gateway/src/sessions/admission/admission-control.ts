import { randomBytes } from 'node:crypto';
import type { AgentTokenVerifier } from '@muster/identity';
import { LIMITS, SUBPROTOCOL, type AgentId, type SessionMode } from '@muster/protocol';
import type { Clock, TokenBucket } from '@muster/runtime';
import type { PollMetrics } from '../../edge/poll/poll-metrics.js';
import type { HandshakeContext } from '../hub/session.js';
import type { HttpReply, UpgradeDecision, UpgradeRequest } from '../../edge/transport/transport.js';
import type { AdmissionMetrics } from './admission-metrics.js';
import type { OperatorOverrides } from '../../foundation/operator-overrides.js';
import type { DenialAuditor } from './denial-auditor.js';
import { bearerOf, problemReply, retryAfter } from '../../edge/transport/replies.js';

export const LIVE_PATH = '/v1/live';

export interface AdmissionControlOptions {
  readonly verifier: AgentTokenVerifier;
  readonly overrides: OperatorOverrides;
  readonly audit: DenialAuditor;
  readonly rate: TokenBucket;
  readonly clock: Clock;
  readonly metrics: AdmissionMetrics & Pick<PollMetrics, 'pollOpenings'>;
  readonly maxConnections: number;
  readonly connections: () => number;
  readonly draining: () => boolean;
  /** Whether one more connection of this agent may wait for its hello. */
  readonly mayChallenge: (agentId: AgentId) => boolean;
}

/** What is decided over, however the agent talks. */
export type AdmissionRequest = Pick<UpgradeRequest, 'address' | 'authorization' | 'origin'>;

interface Refused {
  readonly kind: 'refuse';
  /** For the metrics. */
  readonly result: string;
  readonly reply: HttpReply;
}

export type Admission =
  Refused | { readonly kind: 'accept'; readonly result: 'accepted'; readonly ticket: HandshakeContext };

/** Decides over upgrades and new poll sessions from the request alone: no look-up, no wait, and refusals cheaper than admissions. */
export class AdmissionControl {
  readonly #options: AdmissionControlOptions;

  constructor(options: AdmissionControlOptions) {
    this.#options = options;
  }

  decide(request: UpgradeRequest): UpgradeDecision<HandshakeContext> {
    const decision = this.#misdirected(request) ?? this.#admit(request, 'live');
    this.#options.metrics.upgrades.inc({ result: decision.result });
    return decision.kind === 'refuse' ? decision : { kind: 'accept', protocol: SUBPROTOCOL, ticket: decision.ticket };
  }

  /** Whether an agent may open a poll session. */
  admitPoll(request: AdmissionRequest): Admission {
    const decision = this.#fromBrowser(request) ?? this.#admit(request, 'poll');
    this.#options.metrics.pollOpenings.inc({ result: decision.result });
    return decision;
  }

  #admit({ authorization, address }: AdmissionRequest, mode: SessionMode): Admission {
    return this.#noRoom() ?? this.#identify(bearerOf(authorization), address, mode);
  }

  #misdirected(request: UpgradeRequest): Refused | undefined {
    if (request.path !== LIVE_PATH)
      return refuse('not_found', problemReply('not_found', `agents connect to ${LIVE_PATH}`));
    const fromBrowser = this.#fromBrowser(request);
    if (fromBrowser !== undefined || request.protocols.includes(SUBPROTOCOL)) return fromBrowser;
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': SUBPROTOCOL };
    return refuse('subprotocol', problemReply('upgrade_required', `offer the subprotocol ${SUBPROTOCOL}`, headers));
  }

  #fromBrowser({ origin }: AdmissionRequest): Refused | undefined {
    return origin === undefined
      ? undefined
      : refuse('origin', problemReply('forbidden', 'agents send no Origin; browsers have no business here'));
  }

  #noRoom(): Refused | undefined {
    const { draining, connections, maxConnections, rate } = this.#options;
    if (draining()) {
      return refuse('draining', problemReply('draining', 'this gateway stops; connect again', retryAfter(1_000)));
    }
    if (connections() >= maxConnections) {
      return refuse('full', problemReply('gateway_full', 'this gateway takes no more sessions', retryAfter(5_000)));
    }
    const taken = rate.take();
    if (!taken.ok) {
      const headers = retryAfter(taken.retryAfterMs);
      return refuse('rate', problemReply('rate_limited', 'too many connect at once; wait and try again', headers));
    }
    return undefined;
  }

  #identify(token: string | undefined, from: string, mode: SessionMode): Admission {
    const { verifier, overrides, audit, clock } = this.#options;
    const nowMs = clock.now();
    const verified = token === undefined ? undefined : verifier.verify(token, nowMs);
    if (token === undefined || verified === undefined) {
      const headers = { 'www-authenticate': 'Bearer realm="muster"' };
      return refuse('no_token', problemReply('unauthenticated', 'an agent token is required', headers));
    }
    if (!verified.ok) {
      const headers = { 'www-authenticate': 'Bearer realm="muster", error="invalid_token"' };
      const reply =
        verified.reason === 'expired'
          ? problemReply('token_expired', 'the agent token has expired; enrol again', headers)
          : problemReply('unauthenticated', 'the agent token is not valid here', headers);
      return refuse(verified.reason, reply);
    }
    const { agentId, org, num, publicKeyX, factsDigest, issuedAtMs, expiresAtMs } = verified.claims;
    if (overrides.isRevoked(org, agentId)) {
      audit.refused({ org, action: 'agent.connect', from, agentId, code: 'revoked', reason: 'the agent was revoked' });
      const reply = problemReply('revoked', `agent ${agentId} was revoked`);
      return refuse('revoked', reply);
    }
    if (!this.#options.mayChallenge(agentId)) {
      const reply = problemReply(
        'rate_limited',
        'this agent has connections that wait for their hello',
        retryAfter(5_000),
      );
      return refuse('unproven', reply);
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
    return { kind: 'accept', result: 'accepted', ticket: { org, agentId, num, mode, challenge } };
  }
}

function refuse(result: string, reply: HttpReply): Refused {
  return { kind: 'refuse', result, reply };
}
