import { readFileSync } from 'node:fs';
import type { NamedKey } from '@muster/identity/agent';
import { CAPABILITY, type Facts } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import { agentVersion } from './host/program-files.js';
import { takesCommands } from './capabilities/commands/command-policy.js';
import { parseRootsText } from './identity/command-roots.js';
import { CommandTrust } from './capabilities/commands/command-trust.js';
import { AgentLabels } from './identity/agent-labels.js';
import { type AgentConfig, enrolUrl, labelsOf } from './config.js';
import { collectFacts } from './host/facts.js';
import { machineInstance } from './host/instance.js';
import { AgentIdentity, type SelfDescription } from './identity/agent-identity.js';
import type { Way } from './network/dialer.js';
import { enrol, type EnrolOutcome } from './identity/enrol.js';

/** What `run`, `enroll` and `doctor` share: who this agent is, what it says of itself, and how it reaches a gateway. */
export interface Agent {
  readonly identity: AgentIdentity;
  readonly facts: Facts;
  readonly labels: AgentLabels;
  readonly trust: CommandTrust;
  /** What it says of itself now: labels can be ordered, and commands taken once there is somebody to trust. */
  describe(): SelfDescription;
  readonly canEnrol: boolean;
  /** Asks for a token, and keeps the one it gets, and the roots that come with it if there are none yet. */
  enrol(signal: AbortSignal): Promise<EnrolOutcome>;
}

export interface OpenAgentOptions {
  readonly way: Way;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onLabelsChanged?: () => void;
}

/** Opens the data directory. Throws when it cannot be used, or when the command roots cannot be read. */
export function openAgent(config: AgentConfig, { way, clock, logger, onLabelsChanged }: OpenAgentOptions): Agent {
  const folder = config.dataDir;
  const identity = AgentIdentity.open(folder, logger);
  const trust = CommandTrust.open({ folder, roots: configuredRoots(config), clock, logger });
  const labels = new AgentLabels({
    folder,
    configured: labelsOf(config.labelList).labels,
    logger,
    onChange: () => onLabelsChanged?.(),
  });
  const facts = collectFacts(agentVersion());
  const instance = machineInstance();
  let attempts = 0;
  return {
    identity,
    facts,
    labels,
    trust,
    canEnrol: config.enrolSecret !== undefined,
    describe: () => ({
      facts,
      labels: labels.read(),
      capabilities: [
        CAPABILITY.query,
        ...(trust.hasRoots && takesCommands(config) ? [CAPABILITY.command] : []),
        ...(config.mode === 'auto' ? [CAPABILITY.mode] : []),
      ],
      instance,
    }),
    async enrol(signal) {
      if (config.enrolSecret === undefined) return NOTHING_TO_ENROL_WITH;
      const gateway = config.gatewayUrls[attempts++ % config.gatewayUrls.length] ?? '';
      const outcome = await enrol({
        url: enrolUrl(gateway),
        ca: way.ca,
        agent: way.agentFor(enrolUrl(gateway), 'enrol'),
        org: config.org,
        secret: config.enrolSecret,
        keys: identity.keys,
        facts,
        labels: labels.read(),
        clock,
        signal,
      });
      if (outcome.kind !== 'enrolled') return outcome;
      if (outcome.roots !== undefined) trust.pin(outcome.roots);
      identity.setToken(outcome.token);
      return outcome;
    },
  };
}

function configuredRoots({ commandRootsFile }: AgentConfig): readonly NamedKey[] | undefined {
  if (commandRootsFile === undefined) return undefined;
  const roots = parseRootsText(readFileSync(commandRootsFile, 'utf8'));
  if (roots === undefined) throw new Error(`${commandRootsFile} is not a JWKS with the public keys of command roots`);
  return roots;
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
