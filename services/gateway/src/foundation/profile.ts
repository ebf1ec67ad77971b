import { effectiveLabels, endpointLabel } from '@muster/directory';
import {
  CAPABILITY,
  selectorMatches,
  type AgentId,
  type Facts,
  type Labels,
  type Selector,
  type SessionMode,
} from '@muster/protocol';

/**
 * What many sessions have in common: everything that selectors look at except id and host, and what they can do. Fleets have few profiles, so a selector is
 * evaluated once per profile instead of once per session, and a session costs one reference.
 */
export interface Profile {
  readonly key: string;
  readonly os: Facts['os'];
  readonly arch: string;
  readonly version: string;
  /** How they talk. */
  readonly mode: SessionMode;
  /** Whether they said that they answer queries: a capability that not every agent has. */
  readonly canQuery: boolean;
  /** Likewise for taking commands. */
  readonly canCommand: boolean;
  /** Likewise for using the channel that they are told to. */
  readonly canChangeMode: boolean;
  /** What the agents say of themselves; kept so that operators' labels can change under a session. */
  readonly agentLabels: Labels;
  /** What counts. */
  readonly labels: Labels;
}

/** What agents can do that say these words in their hello. */
export function abilities(capabilities: readonly string[]): Pick<Profile, 'canQuery' | 'canCommand' | 'canChangeMode'> {
  const can = (capability: string): boolean => capabilities.includes(capability);
  return {
    canQuery: can(CAPABILITY.query),
    canCommand: can(CAPABILITY.command),
    canChangeMode: can(CAPABILITY.mode),
  };
}

/** A profile with its key: equal ones have equal keys. */
export function makeProfile(
  facts: Pick<Profile, 'os' | 'arch' | 'mode' | 'canQuery' | 'canCommand' | 'canChangeMode'> & {
    readonly agentVersion: string;
  },
  agentLabels: Labels,
  operatorLabels: Labels,
): Profile {
  const { os, arch, agentVersion: version, mode, canQuery, canCommand, canChangeMode } = facts;
  const labels = effectiveLabels(agentLabels, operatorLabels);
  const key = JSON.stringify([
    os,
    arch,
    version,
    mode,
    canQuery,
    canCommand,
    canChangeMode,
    sortedEntries(agentLabels),
    sortedEntries(labels),
  ]);
  return { key, os, arch, version, mode, canQuery, canCommand, canChangeMode, agentLabels, labels };
}

function sortedEntries(labels: Labels): [string, string][] {
  return Object.entries(labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether a selector looks at what differs within a profile. */
export function isPerEndpoint(selector: Selector): boolean {
  return selector.some(({ key }) => key === 'id' || key === 'host');
}

/** Whether a session with this profile, id and host is selected. */
export function profileMatches(
  selector: Selector,
  profile: Profile,
  endpoint: { readonly agentId: AgentId; readonly host: string } = { agentId: '' as AgentId, host: '' },
): boolean {
  const { os, arch, version, mode, labels } = profile;
  const facts = { host: endpoint.host, os, arch, agentVersion: version, osName: '', osVersion: '' };
  return selectorMatches(selector, endpointLabel({ agentId: endpoint.agentId, facts, labels }, mode));
}
