import { randomBytes } from 'node:crypto';
import type { AgentTokenVerifier } from '@muster/identity';
import { LIMITS, type ErrorCode, type SessionMode } from '@muster/protocol';
import type { Clock, TokenBucket } from '@muster/runtime';
import type { OperatorOverrides } from '../../foundation/operator-overrides.js';
import type { HandshakeContext } from '../hub/session.js';
import type { SessionTable } from '../hub/session-table.js';
import type { DenialAuditor } from './denial-auditor.js';

export interface AdmissionControlOptions {
  readonly verifier: AgentTokenVerifier;
  readonly overrides: Pick<OperatorOverrides, 'isRevoked'>;
  readonly auditor: DenialAuditor;
  readonly table: SessionTable;
  readonly rate: TokenBucket;
  readonly clock: Clock;
  readonly maxConnections: number;
  readonly draining: () => boolean;
}

/** What is decided on, whatever the channel. */
export interface AdmissionRequest {
  readonly mode: SessionMode;
  /** The peer's address. */
  readonly address: string;
  /** The agent token that it sent, if it sent one. */
  readonly token: string | undefined;
}

/** Why a connection is not opened. */
export interface Denial {
  readonly kind: 'deny';
  /** The label in metrics. */
  readonly result: string;
  readonly code: ErrorCode;
  readonly message: string;
  /** It is not worth trying again sooner. */
  readonly retryAfterMs?: number;
  /** What is wrong with the token, if that is the reason. */
  readonly token?: 'missing' | 'invalid';
}

export type Admission = Denial | { readonly kind: 'accept'; readonly context: HandshakeContext };

/** Decides whether a connection may be opened, from the request alone: no look-up, no wait, and denials cheaper than admissions. */
export class AdmissionControl {
  readonly #options: AdmissionControlOptions;

  constructor(options: AdmissionControlOptions) {
    this.#options = options;
  }

  decide(request: AdmissionRequest): Admission {
    return this.#noRoom() ?? this.#identify(request);
  }

  #noRoom(): Denial | undefined {
    const { draining, table, maxConnections, rate } = this.#options;
    if (draining()) return deny('draining', 'draining', 'this gateway stops; connect again', { retryAfterMs: 1_000 });
    if (table.size >= maxConnections)
      return deny('full', 'gateway_full', 'this gateway takes no more sessions', { retryAfterMs: 5_000 });
    const taken = rate.take();
    if (taken.ok) return undefined;
    const { retryAfterMs } = taken;
    return deny('rate', 'rate_limited', 'too many connect at once; wait and try again', { retryAfterMs });
  }

  #identify({ token, address, mode }: AdmissionRequest): Admission {
    const { verifier, overrides, auditor, table, clock } = this.#options;
    const verified = token === undefined ? undefined : verifier.verify(token, clock.now());
    if (token === undefined || verified === undefined)
      return deny('no_token', 'unauthenticated', 'an agent token is required', { token: 'missing' });
    if (!verified.ok) {
      return verified.reason === 'expired'
        ? deny('expired', 'token_expired', 'the agent token has expired; enrol again', { token: 'invalid' })
        : deny(verified.reason, 'unauthenticated', 'the agent token is not valid here', { token: 'invalid' });
    }
    const { agentId, org, num, publicKeyX, factsDigest, issuedAtMs, expiresAtMs } = verified.claims;
    if (overrides.isRevoked(org, agentId)) {
      const reason = 'the agent was revoked';
      auditor.denied({ org, action: 'agent.connect', from: address, agentId, code: 'revoked', reason });
      return deny('revoked', 'revoked', `agent ${agentId} was revoked`);
    }
    if (!table.pending.hasRoomFor(agentId)) {
      const message = 'this agent has connections that wait for their hello';
      return deny('unproven', 'rate_limited', message, { retryAfterMs: 5_000 });
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
    return { kind: 'accept', context: { org, agentId, num, mode, challenge } };
  }
}

function deny(
  result: string,
  code: ErrorCode,
  message: string,
  more: Pick<Denial, 'retryAfterMs' | 'token'> = {},
): Denial {
  return { kind: 'deny', result, code, message, ...more };
}
