import { readFileSync } from 'node:fs';
import type { NamedKey } from '@muster/identity/agent';
import type { Facts } from '@muster/protocol';
import { readFault, type Clock, type Logger } from '@muster/runtime/program';
import { CommandTrust } from './capabilities/commands/command-trust.js';
import type { AgentConfig } from './config.js';
import { collectFacts } from './host/facts.js';
import { agentVersion } from './host/program-files.js';
import { AgentIdentity } from './identity/agent-identity.js';
import { AgentLabels, parseLabels } from './identity/agent-labels.js';
import { parseRootsText } from './identity/command-roots.js';
import { Enroller } from './identity/enroller.js';
import type { Dialer } from './network/dialer.js';

/** What `run` and `enroll` share: who this agent is, whose commands it trusts, and how it enrols. */
export interface Agent {
  readonly identity: AgentIdentity;
  readonly facts: Facts;
  readonly labels: AgentLabels;
  readonly trust: CommandTrust;
  readonly enroller: Enroller;
}

export interface OpenAgentOptions {
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onLabelsChanged?: () => void;
}

/** Opens the data directory. Throws when it cannot be used, or when the command roots cannot be read. */
export function openAgent(config: AgentConfig, { dialer, clock, logger, onLabelsChanged }: OpenAgentOptions): Agent {
  const { dataDir: folder, enrolSecret: secret, gatewayUrls, org } = config;
  const identity = AgentIdentity.open(folder, logger);
  const trust = CommandTrust.open({ folder, roots: configuredRoots(config), clock, logger });
  const labels = new AgentLabels({
    folder,
    configured: parseLabels(config.labelList).labels,
    logger,
    onChange: () => onLabelsChanged?.(),
  });
  const facts = collectFacts(agentVersion());
  const onRoots = (roots: readonly NamedKey[]): unknown => trust.pin(roots);
  const enroller = new Enroller({ gatewayUrls, org, secret, dialer, identity, facts, labels, clock, onRoots });
  return { identity, facts, labels, trust, enroller };
}

function configuredRoots({ commandRootsFile }: AgentConfig): readonly NamedKey[] | undefined {
  if (commandRootsFile === undefined) return undefined;
  let text: string;
  try {
    text = readFileSync(commandRootsFile, 'utf8');
  } catch (cause) {
    const reason = readFault(cause);
    throw new Error(`MUSTER_COMMAND_ROOTS_FILE names ${commandRootsFile}, which cannot be read (${reason})`, { cause });
  }
  const roots = parseRootsText(text);
  if (roots !== undefined) return roots;
  throw new Error(
    `MUSTER_COMMAND_ROOTS_FILE names ${commandRootsFile}, which is not a JWKS with the public keys of command roots`,
  );
}
