import { randomBytes } from 'node:crypto';
import {
  ENROLL_TOLERANCE_MS,
  verifyConnectProof,
  type AgentTokenClaims,
  type AgentTokenFault,
  type AgentTokenVerifier,
} from '@muster/identity';
import { LIMITS, type ErrorCode, type SessionMode } from '@muster/protocol';
import { addressBlock, TokenBucket, type Clock } from '@muster/runtime';
import type { EnrolledIdentities } from '../../foundation/enrolled-identities.js';
import { ExpiringCache } from '../../foundation/expiring-cache.js';
import { FairRate } from '../../foundation/fair-rate.js';
import type { OperatorOverrides } from '../../foundation/operator-overrides.js';
import type { HandshakeContext } from '../hub/session.js';
import type { SessionTable } from '../hub/session-table.js';
import type { DenialAuditor } from './denial-auditor.js';

export interface AdmissionControlOptions {
  readonly verifier: AgentTokenVerifier;
  readonly overrides: Pick<OperatorOverrides, 'isRevoked'>;
  readonly identities: Pick<EnrolledIdentities, 'isRemoved'>;
  readonly auditor: Pick<DenialAuditor, 'denied'>;
  readonly table: SessionTable;
  /** Connections a second, and at once, of all agents together. */
  readonly upgradeRate: number;
  readonly upgradeBurst: number;
  readonly clock: Clock;
  readonly draining: () => boolean;
}

/** What one agent may open from one address, before it draws on what is left for those who open more. */
const PER_AGENT = { capacity: 10, refillPerSecond: 1 };
/** Tokens with a false signature from one address, before their check draws on what is left for addresses that send more. */
const FALSE_PER_ADDRESS = { capacity: 50, refillPerSecond: 10 };
/** Proofs that were used, remembered for longer than one is valid. */
const USED_PROOFS = { max: 20_000, ttlMs: 2 * ENROLL_TOLERANCE_MS + 1_000 };

/** What is decided on, whatever the channel. */
export interface AdmissionRequest {
  readonly mode: SessionMode;
  /** The peer's address. */
  readonly address: string;
  /** The agent token that it sent, if it sent one. */
  readonly token: string | undefined;
  /** A proof of its key, ahead of the challenge, if it sent one. */
  readonly proof?: string | undefined;
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

/**
 * Decides whether a connection may be opened, from the request alone: no look-up, no wait, and denials cheaper than admissions.
 *
 * What is not proven takes nothing of what is: requests without a token of this deployment are refused before any limit, false signatures
 * are limited by address, and only agents with a valid token share the rate of all. One of them, from one address, cannot use it up. Where
 * more is opened with a token than one agent needs, a proof of its key tells the owner from a thief.
 */
export class AdmissionControl {
  readonly #options: AdmissionControlOptions;
  readonly #all: TokenBucket;
  readonly #agents: FairRate;
  readonly #falseTokens: FairRate;
  readonly #usedProofs: ExpiringCache<true>;

  constructor(options: AdmissionControlOptions) {
    this.#options = options;
    const { clock, upgradeRate, upgradeBurst } = options;
    this.#all = new TokenBucket({ clock, capacity: upgradeBurst, refillPerSecond: upgradeRate });
    const rest = Math.max(1, upgradeRate / 10);
    this.#agents = new FairRate({ clock, own: PER_AGENT, pool: { capacity: rest, refillPerSecond: rest } });
    const checks = { capacity: upgradeRate, refillPerSecond: upgradeRate };
    this.#falseTokens = new FairRate({ clock, own: FALSE_PER_ADDRESS, pool: checks });
    this.#usedProofs = new ExpiringCache(clock, USED_PROOFS);
  }

  decide(request: AdmissionRequest): Admission {
    const { draining, table, clock } = this.#options;
    if (draining()) return deny('draining', 'draining', 'this gateway stops; connect again', { retryAfterMs: 1_000 });
    if (!table.hasRoom(clock.monotonic()))
      return deny('full', 'gateway_full', 'this gateway takes no more sessions', { retryAfterMs: 5_000 });
    const verified = this.#verify(request);
    if (!verified.ok) return verified.denial;
    const isProven = this.#isProven(request, verified);
    return this.#tooMany(request, verified.claims, isProven) ?? this.#accept(request, verified, isProven);
  }

  /** What the token says, once it was found to be one of this deployment. */
  #verify({ token, address }: AdmissionRequest): VerifiedToken | { readonly ok: false; readonly denial: Denial } {
    const { verifier, clock } = this.#options;
    if (token === undefined)
      return refuse(deny('no_token', 'unauthenticated', 'an agent token is required', { token: 'missing' }));
    const block = addressBlock(address);
    let retryAfterMs: number | undefined;
    const verified = verifier.verify(token, clock.now(), () => {
      const checked = this.#falseTokens.peek(block);
      retryAfterMs = checked.from === 'none' ? checked.retryAfterMs : undefined;
      return checked.from !== 'none';
    });
    if (verified.ok) return { ok: true, token, claims: verified.claims };
    if (verified.reason === 'unchecked') return refuse(overRate('unproven_rate', retryAfterMs ?? 1_000));
    if (!CHEAP.has(verified.reason)) this.#falseTokens.spend(block);
    return refuse(
      verified.reason === 'expired'
        ? deny('expired', 'token_expired', 'the agent token has expired; enrol again', { token: 'invalid' })
        : deny(verified.reason, 'unauthenticated', 'the agent token is not valid here', { token: 'invalid' }),
    );
  }

  /** Costs as much as the token, so that it is limited like tokens. */
  #isProven({ proof, address }: AdmissionRequest, { token, claims }: VerifiedToken): boolean {
    if (proof === undefined || this.#usedProofs.has(proof)) return false;
    const block = addressBlock(address);
    if (this.#falseTokens.peek(block).from === 'none') return false;
    const { agentId, publicKeyX } = claims;
    const nowMs = this.#options.clock.now();
    const isProven = verifyConnectProof(publicKeyX, { agentId, token }, { proof, nowMs });
    if (isProven) this.#usedProofs.set(proof, true);
    else this.#falseTokens.spend(block);
    return isProven;
  }

  #tooMany({ address }: AdmissionRequest, { agentId }: AgentTokenClaims, isProven: boolean): Denial | undefined {
    const taken = isProven ? OWN : this.#agents.take(`${agentId} ${addressBlock(address)}`);
    if (taken.from === 'pool') return undefined;
    if (taken.from === 'none') return overRate('agent_rate', taken.retryAfterMs);
    const all = this.#all.take();
    return all.ok ? undefined : overRate('rate', all.retryAfterMs);
  }

  #accept({ address, mode }: AdmissionRequest, { token, claims }: VerifiedToken, isProven: boolean): Admission {
    const { overrides, identities, auditor, clock } = this.#options;
    const { agentId, org, num, publicKeyX, factsDigest, issuedAtMs, expiresAtMs } = claims;
    if (overrides.isRevoked(org, agentId)) {
      const reason = 'the agent was revoked';
      auditor.denied({ org, action: 'agent.connect', from: address, agentId, code: 'revoked', reason });
      return deny('revoked', 'revoked', `agent ${agentId} was revoked`);
    }
    if (identities.isRemoved(org, agentId, num)) {
      const message = 'the identity of this agent was removed; enrol again';
      return deny('removed', 'unauthenticated', message, { token: 'invalid' });
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
      ...(isProven ? ({ isProven } as const) : {}),
    };
    return { kind: 'accept', context: { org, agentId, num, mode, challenge } };
  }
}

const OWN = { from: 'own' } as const;

interface VerifiedToken {
  readonly ok: true;
  readonly token: string;
  readonly claims: AgentTokenClaims;
}

/** What a token is refused for before its signature is checked. */
const CHEAP: ReadonlySet<AgentTokenFault> = new Set(['malformed', 'wrong_type', 'wrong_algorithm', 'unknown_key']);

const refuse = (denial: Denial) => ({ ok: false, denial }) as const;

const overRate = (result: string, retryAfterMs: number): Denial =>
  deny(result, 'rate_limited', 'too many connect at once; wait and try again', { retryAfterMs });

function deny(
  result: string,
  code: ErrorCode,
  message: string,
  more: Pick<Denial, 'retryAfterMs' | 'token'> = {},
): Denial {
  return { kind: 'deny', result, code, message, ...more };
}
