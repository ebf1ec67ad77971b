import type { DirectoryWriter } from '@muster/directory';
import {
  AGENT_TOKEN_TTL_MS,
  agentIdFromPublicKey,
  verifyEnrollProof,
  type AgentTokenIssuer,
  type EnrollSecrets,
  type NamedKey,
} from '@muster/identity';
import { factsSchema, isOrgId, labelFaults, type AgentId, type Facts, type Labels, type OrgId } from '@muster/protocol';
import type { Clock, Logger, Metrics, TokenBucket } from '@muster/runtime';
import type { OperatorOverrides } from '../foundation/operator-overrides.js';
import type { DenialAuditor } from '../sessions/admission/denial-auditor.js';
import { factsDigest } from '../sessions/admission/facts-digest.js';
import type { FrameTraffic } from '../traffic/frame-traffic.js';
import type { HttpReply, HttpRequest } from './http/http-message.js';
import { bearerOf, jsonReply, problemReply, retryAfter } from './http/replies.js';

export const ENROLL_PATH = '/v1/enroll';

export interface EnrolmentOptions {
  readonly secrets: EnrollSecrets;
  /** The keys that agents trust to sign lists of command keys; none when there are no commands here. */
  readonly commandRoots: readonly NamedKey[];
  readonly issuer: AgentTokenIssuer;
  readonly directory: DirectoryWriter;
  readonly overrides: Pick<OperatorOverrides, 'isRevoked'>;
  readonly auditor: Pick<DenialAuditor, 'denied'>;
  readonly rate: TokenBucket;
  readonly traffic: Pick<FrameTraffic, 'enrolled'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

interface EnrolRequest {
  readonly org: OrgId;
  readonly publicKey: string;
  readonly timestampMs: number;
  readonly proof: string;
  readonly facts: Facts;
  readonly labels: Labels;
}

/** `POST /v1/enroll`: a key pair becomes an agent of an org. The same key enrols to the same agent, however often. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #enrolments;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#enrolments = options.metrics.counter({
      name: 'muster_gateway_enrolments_total',
      help: 'Enrolment requests by HTTP status.',
      labels: ['status'],
    });
  }

  async handle(request: HttpRequest): Promise<HttpReply> {
    const reply = await this.#enroll(request);
    this.#enrolments.inc({ status: String(reply.status) });
    this.#options.traffic.enrolled(request.body.length, Buffer.byteLength(reply.body));
    return reply;
  }

  async #enroll(request: HttpRequest): Promise<HttpReply> {
    const { rate, secrets, clock, overrides, auditor } = this.#options;
    if (request.method !== 'POST')
      return problemReply('method_not_allowed', `${ENROLL_PATH} takes POST`, { allow: 'POST' });
    const taken = rate.take();
    if (!taken.ok)
      return problemReply('rate_limited', 'too many enrol at once; wait and try again', retryAfter(taken.retryAfterMs));
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      return problemReply('unsupported_media_type', 'enrolment takes application/json');
    }
    const parsed = parseRequest(request.body);
    if (typeof parsed === 'string') return problemReply('bad_request', parsed);
    const secret = bearerOf(request.headers.authorization);
    const refuse = (reason: string): HttpReply => {
      auditor.denied({
        org: parsed.org,
        action: 'agent.enroll',
        from: request.address,
        code: 'enrolment_refused',
        reason,
      });
      return problemReply('enrolment_refused', reason, { 'www-authenticate': 'Bearer realm="muster enrolment"' });
    };
    if (secret === undefined || !secrets.matches(parsed.org, secret)) {
      return refuse('the enrolment secret is not valid for this org');
    }
    const enrolment = { org: parsed.org, publicKeyX: parsed.publicKey, timestampMs: parsed.timestampMs };
    const proof = verifyEnrollProof(enrolment, parsed.proof, clock.now());
    if (!proof.ok) {
      return refuse(
        proof.reason === 'stale'
          ? "the proof's time stamp is too far from the gateway's clock"
          : 'the proof does not match the public key',
      );
    }
    const agentId = agentIdFromPublicKey(parsed.publicKey);
    if (overrides.isRevoked(parsed.org, agentId)) {
      return problemReply('revoked', `agent ${agentId} was revoked; enrol with a new key pair`);
    }
    return this.#keep(agentId, parsed, request.address);
  }

  async #keep(agentId: AgentId, request: EnrolRequest, from: string): Promise<HttpReply> {
    const { directory, issuer, clock, logger, commandRoots } = this.#options;
    const { org, publicKey, facts, labels } = request;
    const nowMs = clock.now();
    const kept = await directory.enroll({ agentId, org, publicKey, enrolledAtMs: nowMs, from, facts, labels });
    if (kept.kind === 'unavailable') {
      logger.warn('enrolment could not be recorded', { err: kept.cause });
      return problemReply('broker_unavailable', 'the identity cannot be kept right now', retryAfter(2_000));
    }
    // A known key may come with other facts than on record; the digest of what was kept first is not known here, so the token names none.
    const digest = kept.kind === 'enrolled' ? factsDigest(facts, labels) : '';
    const token = await issuer.issue({ org, num: kept.num, publicKeyX: publicKey, factsDigest: digest }, nowMs);
    return jsonReply(kept.kind === 'enrolled' ? 201 : 200, {
      agentId,
      num: kept.num,
      token,
      expiresAtMs: nowMs + AGENT_TOKEN_TTL_MS,
      ...(commandRoots.length > 0 ? { trust: { keys: commandRoots.map(({ kid, x }) => ({ kid, x })) } } : {}),
    });
  }
}

/** Returns the request, or what is wrong with it. */
function parseRequest(body: Uint8Array): EnrolRequest | string {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return 'the body is not JSON';
  }
  if (typeof value !== 'object' || value === null) return 'the body is not a JSON object';
  const { org, publicKey, timestampMs, proof, facts, labels = {} } = value as Record<string, unknown>;
  if (typeof org !== 'string' || !isOrgId(org)) return '"org" is not the name of an org';
  if (typeof publicKey !== 'string' || Buffer.from(publicKey, 'base64url').length !== 32) {
    return '"publicKey" is not a raw Ed25519 public key in base64url';
  }
  if (typeof timestampMs !== 'number' || !Number.isSafeInteger(timestampMs))
    return '"timestampMs" is not a number of milliseconds';
  if (typeof proof !== 'string') return '"proof" is missing';
  const checkedFacts = factsSchema.safeParse(facts);
  if (!checkedFacts.success) {
    const issue = checkedFacts.error.issues[0];
    return `"facts.${issue?.path.join('.') ?? ''}": ${issue?.message ?? 'does not fit'}`;
  }
  if (!isLabels(labels)) return '"labels" is not an object of texts';
  const faults = labelFaults(labels);
  if (faults.length > 0) return faults.join('; ');
  return { org, publicKey, timestampMs, proof, facts: checkedFacts.data, labels };
}

function isLabels(value: unknown): value is Labels {
  return (
    typeof value === 'object' && value !== null && Object.values(value).every((label) => typeof label === 'string')
  );
}
