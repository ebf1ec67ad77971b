import { effectiveLabels, endpointLabel } from '@muster/directory';
import {
  selectorMatches,
  type AgentId,
  type Facts,
  type Labels,
  type Selector,
  type SessionMode,
} from '@muster/protocol';

/** What makes a profile, besides labels. */
export interface ProfileFacts {
  readonly os: Facts['os'];
  readonly arch: string;
  readonly agentVersion: string;
  /** The channel of the session. */
  readonly mode: SessionMode;
  /** The capabilities that the agents said they have, of those that this gateway knows. */
  readonly capabilities: ReadonlySet<string>;
}

/**
 * What many sessions have in common: everything that selectors look at except id and host, and what the agents can do. Fleets have few
 * profiles, so a selector is evaluated once per profile instead of once per session, and a session costs one reference.
 */
export interface Profile extends ProfileFacts {
  /** Equal profiles have equal keys. */
  readonly key: string;
  /** What the agents say of themselves; kept so that operators' labels can change under a session. */
  readonly agentLabels: Labels;
  /** The labels that count: the agents' with the operators'. */
  readonly labels: Labels;
}

export function makeProfile(
  { os, arch, agentVersion, mode, capabilities }: ProfileFacts,
  agentLabels: Labels,
  operatorLabels: Labels,
): Profile {
  const labels = effectiveLabels(agentLabels, operatorLabels);
  const key = JSON.stringify([
    ...[os, arch, agentVersion, mode],
    [...capabilities].toSorted(),
    sortedEntries(agentLabels),
    sortedEntries(labels),
  ]);
  return { key, os, arch, agentVersion, mode, capabilities, agentLabels, labels };
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
  const { os, arch, agentVersion, mode, labels } = profile;
  const facts = { host: endpoint.host, os, arch, agentVersion, osName: '', osVersion: '' };
  return selectorMatches(selector, endpointLabel({ agentId: endpoint.agentId, facts, labels }, mode));
}
