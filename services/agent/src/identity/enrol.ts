import type { Agent, IncomingMessage } from 'node:http';
import type { Facts, Labels } from '@muster/protocol';
import { type AgentKeys, type NamedKey, signEnrollProof } from '@muster/identity/agent';
import type { Clock, Secret } from '@muster/runtime/program';
import { parseRoots } from './command-roots.js';
import { isToken } from './agent-identity.js';
import { readBody, readRefusal, type Refusal } from '../network/http-refusal.js';

export type EnrolOutcome =
  | {
      readonly kind: 'enrolled';
      readonly agentId: string;
      readonly num: number;
      readonly token: string;
      /** The roots that may sign the list of command keys; absent if the deployment has none. */
      readonly roots?: readonly NamedKey[];
    }
  /** An HTTP error response, or there is no enrolment secret. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** No HTTP response, or one that cannot be understood. */
  | { readonly kind: 'failed'; readonly error: Error };

export interface EnrolRequest {
  /** `https://host:port/v1/enroll` */
  readonly url: string;
  readonly ca?: string | undefined;
  /** Opens the connection; needed where it goes through a proxy. */
  readonly agent?: Agent | undefined;
  readonly org: string;
  readonly secret: Secret;
  readonly keys: AgentKeys;
  readonly facts: Facts;
  readonly labels: Labels;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const TIMEOUT_MS = 20_000;
/** A proof may be five minutes old, so a smaller difference of the clocks is not why it was refused. */
const HARMLESS_SKEW_MS = 120_000;

/**
 * Asks a gateway for a token for this agent's key. A proof may be only a few minutes old, and clocks of endpoints can be
 * wrong: if the gateway refuses and its clock (the `Date` header) differs too much from ours, asks once more with its time.
 */
export async function enrol(request: EnrolRequest): Promise<EnrolOutcome> {
  const first = await post(request, request.clock.now());
  if (first.outcome.kind !== 'refused' || first.skewMs === undefined || Math.abs(first.skewMs) < HARMLESS_SKEW_MS) {
    return first.outcome;
  }
  return (await post(request, request.clock.now() + first.skewMs)).outcome;
}

interface Attempt {
  readonly outcome: EnrolOutcome;
  /** The gateway's clock minus ours. */
  readonly skewMs?: number;
}

async function post(request: EnrolRequest, timestampMs: number): Promise<Attempt> {
  try {
    const response = await send(request, bodyOf(request, timestampMs));
    const status = response.statusCode ?? 0;
    if (status !== 200 && status !== 201) {
      const refusal = await readRefusal(response, request.clock.now());
      const dateMs = Date.parse(response.headers.date ?? '');
      const skew = Number.isNaN(dateMs) ? {} : { skewMs: dateMs - request.clock.now() };
      return { outcome: { kind: 'refused', refusal }, ...skew };
    }
    return { outcome: parseEnrolment(await readBody(response), request.keys) };
  } catch (error) {
    return { outcome: { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) } };
  }
}

function bodyOf({ org, keys, facts, labels }: EnrolRequest, timestampMs: number): string {
  const proof = signEnrollProof(keys.privateKey, { org, publicKeyX: keys.publicKeyX, timestampMs });
  return JSON.stringify({ org, publicKey: keys.publicKeyX, timestampMs, proof, facts, labels });
}

/** Uses `node:https`, because `fetch` takes no certificate authority and needs ten megabytes. */
async function send({ url, ca, agent, secret, signal }: EnrolRequest, body: string): Promise<IncomingMessage> {
  const { request } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: 'POST',
      agent: agent ?? false,
      headers: {
        authorization: `Bearer ${secret.reveal()}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        accept: 'application/json, application/problem+json',
      },
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
      ...(ca === undefined ? {} : { ca }),
    });
    call.on('response', resolve);
    call.on('error', reject);
    call.end(body);
  });
}

function parseEnrolment(text: string, keys: AgentKeys): EnrolOutcome {
  let reply: unknown;
  try {
    reply = JSON.parse(text);
  } catch {
    reply = undefined;
  }
  const { agentId, num, token, trust } = (typeof reply === 'object' && reply !== null ? reply : {}) as Record<
    string,
    unknown
  >;
  if (typeof agentId !== 'string' || typeof num !== 'number' || typeof token !== 'string' || !isToken(token)) {
    return { kind: 'failed', error: new Error('the answer to the enrolment is not one of a gateway') };
  }
  if (agentId !== keys.agentId) {
    return {
      kind: 'failed',
      error: new Error(`the gateway enrolled ${agentId}, but this agent's key is ${keys.agentId}`),
    };
  }
  const roots = parseRoots(trust);
  return { kind: 'enrolled', agentId, num, token, ...(roots !== undefined && { roots }) };
}
