import type { DirectoryWriter } from '@muster/directory';
import {
  AGENT_TOKEN_TTL_MS,
  agentIdFromPublicKey,
  isPublicKeyX,
  verifyEnrollProof,
  type AgentTokenIssuer,
  type EnrollSecret,
  type EnrollSecrets,
  type NamedKey,
} from '@muster/identity';
import type { EnrolmentSecretBounds } from '@muster/messages';
import { isStorageFull } from '@muster/bus';
import { factsSchema, isOrgId, labelFaults, type AgentId, type Facts, type Labels, type OrgId } from '@muster/protocol';
import type { Clock, Logger, Metrics } from '@muster/runtime';
import type { OperatorOverrides } from '../foundation/operator-overrides.js';
import type { DenialAuditor } from '../sessions/admission/denial-auditor.js';
import { factsDigest } from '../sessions/admission/facts-digest.js';
import type { FrameTraffic } from '../traffic/frame-traffic.js';
import type { EnrolmentLimits } from './enrolment-limits.js';
import type { HttpReply, HttpRequest } from './http/http-message.js';
import { bearerOf, jsonReply, problemReply, retryAfter } from './http/replies.js';

export const ENROLL_PATH = '/v1/enroll';

export interface EnrolmentOptions {
  readonly secrets: EnrollSecrets;
  /** The keys that agents trust to sign lists of command keys; none when there are no commands here. */
  readonly commandRoots: readonly NamedKey[];
  readonly issuer: AgentTokenIssuer;
  readonly directory: Pick<DirectoryWriter, 'enroll' | 'find' | 'remove'>;
  readonly overrides: Pick<OperatorOverrides, 'isRevoked'>;
  readonly auditor: Pick<DenialAuditor, 'denied'>;
  readonly limits: EnrolmentLimits;
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

/** Why a request was refused, for metrics. */
type RefusalReason =
  | 'secret'
  | 'secret_expired'
  | 'secret_full'
  | 'org_full'
  | 'proof'
  | 'revoked'
  | 'rate'
  | 'unproven_rate'
  | 'broker_unavailable'
  | 'storage_full';

/**
 * `POST /v1/enroll`: a key pair becomes an agent of an org. The same key enrols to the same agent, however often. What
 * comes without a valid secret takes nothing of what those with one may do: each secret has a rate of its own, and each
 * address a part of it.
 */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  #secrets: EnrollSecrets;
  #commandRoots: readonly NamedKey[];
  readonly #enrolments;
  readonly #refusals;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
    this.#secrets = options.secrets;
    this.#commandRoots = options.commandRoots;
    this.#enrolments = options.metrics.counter({
      name: 'muster_gateway_enrolments_total',
      help: 'Enrolment requests by HTTP status.',
      labels: ['status'],
    });
    this.#refusals = options.metrics.counter({
      name: 'muster_gateway_enrolment_refusals_total',
      help: 'Enrolments that were refused although the request could be read, by reason.',
      labels: ['reason'],
      initial: [
        { reason: 'secret' },
        { reason: 'secret_full' },
        { reason: 'secret_expired' },
        { reason: 'org_full' },
        { reason: 'unproven_rate' },
      ],
    });
  }

  /** The secrets of an org that are in force, without their texts. */
  secretsOf(org: OrgId): readonly EnrolmentSecretBounds[] {
    return this.#secrets.all.filter((one) => one.org === org).map(({ org: _org, ...bounds }) => bounds);
  }

  /** These secrets from now on; who has enrolled stays enrolled. */
  renewSecrets(secrets: EnrollSecrets): void {
    this.#secrets = secrets;
    this.#options.limits.renew(secrets);
  }

  /** What enrols from now on trusts these keys. */
  renewCommandRoots(roots: readonly NamedKey[]): void {
    this.#commandRoots = roots;
  }

  async handle(request: HttpRequest): Promise<HttpReply> {
    const reply = await this.#enroll(request);
    this.#enrolments.inc({ status: String(reply.status) });
    this.#options.traffic.enrolled(request.body.length, Buffer.byteLength(reply.body));
    return reply;
  }

  async #enroll(request: HttpRequest): Promise<HttpReply> {
    if (request.method !== 'POST')
      return problemReply('method_not_allowed', `${ENROLL_PATH} takes POST`, { allow: 'POST' });
    if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
      return problemReply('unsupported_media_type', 'enrolment takes application/json');
    }
    const parsed = parseRequest(request.body);
    if (typeof parsed === 'string') return problemReply('bad_request', parsed);
    const { limits, clock } = this.#options;
    const presented = bearerOf(request.headers.authorization);
    const secret = presented === undefined ? undefined : this.#secrets.find(parsed.org, presented);
    const refusal = { org: parsed.org, from: request.address };
    if (secret === undefined) {
      if (!limits.mayHear(request.address)) return this.#later('unproven_rate', 10_000);
      return this.#refuse('secret', 'the enrolment secret is not valid for this org', refusal);
    }
    if (secret.expiresAtMs !== undefined && secret.expiresAtMs <= clock.now()) {
      if (!limits.mayHear(request.address)) return this.#later('unproven_rate', 10_000);
      return this.#refuse('secret_expired', 'the enrolment secret has expired', refusal);
    }
    const waitMs = limits.waitMs(secret, request.address);
    return waitMs === undefined ? this.#prove(parsed, secret, request.address) : this.#later('rate', waitMs);
  }

  /** The secret is valid: does the key belong to who asks, and is there a place for it? */
  async #prove(request: EnrolRequest, secret: EnrollSecret, from: string): Promise<HttpReply> {
    const { clock, overrides, limits, directory } = this.#options;
    const { org, publicKey, timestampMs } = request;
    const proof = verifyEnrollProof({ org, publicKeyX: publicKey, timestampMs }, request.proof, clock.now());
    if (!proof.ok) {
      const stale = "the proof's time stamp is too far from the gateway's clock";
      const reason = proof.reason === 'stale' ? stale : 'the proof does not match the public key';
      return this.#refuse('proof', reason, { org, from });
    }
    const agentId = agentIdFromPublicKey(publicKey);
    if (overrides.isRevoked(org, agentId)) {
      this.#refusals.inc({ reason: 'revoked' });
      return problemReply('revoked', `agent ${agentId} was revoked; enrol with a new key pair`);
    }
    const room = limits.room(secret, agentId);
    if (room.kind === 'free') {
      try {
        return await this.#keep(agentId, request, { secret, from });
      } finally {
        room.release();
      }
    }
    // Who is enrolled already takes no place: an agent that lost its token gets another one.
    const known = await directory.find(org, agentId);
    if (known.kind === 'unavailable') return this.#unavailable(known.cause);
    if (known.kind === 'unknown') return this.#refuse(`${room.bound}_full`, room.message, { org, from });
    return this.#issue(agentId, request, known);
  }

  async #keep(agentId: AgentId, request: EnrolRequest, by: EnrolledBy): Promise<HttpReply> {
    const { directory, limits, clock } = this.#options;
    const { org, publicKey, facts, labels } = request;
    const { secret, from } = by;
    const enrolledAtMs = clock.now();
    const given = secret.labels === undefined ? {} : { given: secret.labels };
    const record = { agentId, org, publicKey, enrolledAtMs, from, facts, labels, secret: secret.name, ...given };
    const kept = await directory.enroll(record);
    if (kept.kind === 'unavailable') return this.#unavailable(kept.cause);
    const exceeded = kept.kind === 'enrolled' ? await limits.exceeded(secret, kept.num) : undefined;
    if (exceeded === 'unknown') return this.#unavailable(new Error('the stream does not bring the identity'));
    if (exceeded === undefined) return this.#issue(agentId, request, kept);
    const identity = { org, agentId, num: kept.num, secret: secret.name };
    const removed = await directory.remove(identity, { atMs: clock.now(), why: 'over_limit' });
    if (removed.kind === 'unavailable') return this.#unavailable(removed.cause);
    return this.#refuse(`${exceeded.bound}_full`, exceeded.message, { org, from });
  }

  async #issue(agentId: AgentId, request: EnrolRequest, kept: KeptIdentity): Promise<HttpReply> {
    const { issuer, clock } = this.#options;
    const commandRoots = this.#commandRoots;
    const { org, publicKey, facts, labels } = request;
    const nowMs = clock.now();
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

  #refuse(
    why: RefusalReason,
    reason: string,
    { org, from }: { readonly org: OrgId; readonly from: string },
  ): HttpReply {
    this.#refusals.inc({ reason: why });
    this.#options.auditor.denied({ org, action: 'agent.enroll', from, code: 'enrolment_refused', reason });
    return problemReply('enrolment_refused', reason, { 'www-authenticate': 'Bearer realm="muster enrolment"' });
  }

  #later(why: RefusalReason, waitMs: number): HttpReply {
    this.#refusals.inc({ reason: why });
    return problemReply('rate_limited', 'too many enrol at once; wait and try again', retryAfter(waitMs));
  }

  #unavailable(cause: Error): HttpReply {
    const code = isStorageFull(cause) ? 'storage_full' : 'broker_unavailable';
    this.#refusals.inc({ reason: code });
    this.#options.logger.warn('enrolment could not be recorded', { err: cause });
    return problemReply(
      code,
      'the identity cannot be kept right now',
      retryAfter(code === 'storage_full' ? 30_000 : 2_000),
    );
  }
}

interface EnrolledBy {
  readonly secret: EnrollSecret;
  /** The address it came from. */
  readonly from: string;
}

interface KeptIdentity {
  readonly kind: 'enrolled' | 'known';
  readonly num: number;
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
  if (typeof publicKey !== 'string' || !isPublicKeyX(publicKey)) {
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
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((label) => typeof label === 'string')
  );
}
