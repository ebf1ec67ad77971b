import { readFileSync } from 'node:fs';
import type { Clock, Logger } from '@muster/runtime/program';
import { agentVersion } from './agent-version.js';
import { type AgentConfig, enrolUrl, labelsOf } from './config.js';
import { collectFacts } from './facts/facts.js';
import { machineInstance } from './facts/instance.js';
import { AgentIdentity, type SelfDescription } from './identity/agent-identity.js';
import { enrol, type EnrolOutcome } from './identity/enrol.js';

/** What `run`, `enroll` and `doctor` share: who this agent is, what it says of itself, and how it reaches a gateway. */
export interface Agent {
  readonly identity: AgentIdentity;
  readonly self: SelfDescription;
  /** PEM of the pinned authorities. */
  readonly ca: string | undefined;
  /** Asks for a token, and keeps the one it gets. */
  enrol(signal: AbortSignal): Promise<EnrolOutcome>;
}

/** Opens the data directory. Throws when it cannot be used, or when the pinned authority cannot be read. */
export function openAgent(config: AgentConfig, { clock, log }: { clock: Clock; log: Logger }): Agent {
  const ca = config.gatewayCaFile === undefined ? undefined : readFileSync(config.gatewayCaFile, 'utf8');
  const identity = AgentIdentity.open(config.dataDir, log);
  const self: SelfDescription = {
    facts: collectFacts(agentVersion()),
    labels: labelsOf(config.labelList).labels,
    capabilities: ['query'],
    instance: machineInstance(),
  };
  let attempts = 0;
  return {
    identity,
    self,
    ca,
    async enrol(signal) {
      if (config.enrolSecret === undefined) return NOTHING_TO_ENROL_WITH;
      const gateway = config.gatewayUrls[attempts++ % config.gatewayUrls.length] ?? '';
      const outcome = await enrol({
        url: enrolUrl(gateway),
        ca,
        org: config.org,
        secret: config.enrolSecret,
        keys: identity.keys,
        facts: self.facts,
        labels: self.labels,
        clock,
        signal,
      });
      if (outcome.kind === 'enrolled') identity.setToken(outcome.token);
      return outcome;
    },
  };
}

const NOTHING_TO_ENROL_WITH: EnrolOutcome = {
  kind: 'refused',
  refusal: {
    status: 401,
    code: 'no_enrolment_secret',
    detail:
      'this agent has no valid token and no enrolment secret: set MUSTER_ENROLL_SECRET or MUSTER_ENROLL_SECRET_FILE',
  },
};
