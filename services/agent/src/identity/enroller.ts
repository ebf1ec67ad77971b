import type { Facts } from '@muster/protocol';
import type { NamedKey } from '@muster/identity/agent';
import { reread, type Clock, type Secret } from '@muster/runtime/program';
import type { Dialer } from '../network/dialer.js';
import { enrolUrl } from '../network/gateway-urls.js';
import type { AgentIdentity } from './agent-identity.js';
import type { AgentLabels } from './agent-labels.js';
import { enrol, type EnrolOutcome } from './enrol.js';

export interface EnrollerOptions {
  readonly gatewayUrls: readonly string[];
  readonly org: string;
  readonly secret: Secret | undefined;
  readonly dialer: Dialer;
  readonly identity: AgentIdentity;
  readonly facts: Facts;
  readonly labels: Pick<AgentLabels, 'read'>;
  readonly clock: Clock;
  /** The enrolment named these command roots. */
  readonly onRoots: (roots: readonly NamedKey[]) => void;
}

/** Gets tokens for this agent. */
export class Enroller {
  readonly #options: EnrollerOptions;
  #attempts = 0;

  constructor(options: EnrollerOptions) {
    this.#options = options;
  }

  /** Whether there is an enrolment secret. */
  get canEnrol(): boolean {
    return this.#options.secret !== undefined;
  }

  /** Asks one gateway for a token, the next gateway at each call, and stores the token. Never rejects. */
  async enrol(signal: AbortSignal): Promise<EnrolOutcome> {
    const { clock, dialer, facts, gatewayUrls, identity, labels, onRoots, org, secret } = this.#options;
    if (secret === undefined) return NO_SECRET;
    const url = enrolUrl(gatewayUrls[this.#attempts++ % gatewayUrls.length] ?? '');
    const outcome = await enrol({
      url,
      ca: dialer.ca,
      agent: dialer.agentFor(url, 'enrol'),
      org,
      // One that was replaced, as the answer to a refusal, needs no restart.
      secret: reread(secret),
      keys: identity.keys,
      facts,
      labels: labels.read(),
      clock,
      signal,
    });
    if (outcome.kind !== 'enrolled') return outcome;
    if (outcome.roots !== undefined) onRoots(outcome.roots);
    identity.setToken(outcome.token);
    return outcome;
  }
}

const NO_SECRET: EnrolOutcome = {
  kind: 'refused',
  refusal: {
    status: 401,
    code: 'no_enrolment_secret',
    detail:
      'this agent has no valid token and no enrolment secret: set MUSTER_ENROLL_SECRET or MUSTER_ENROLL_SECRET_FILE',
  },
};
