import type { AgentId, DuplicateRecord, Facts, Labels, OrgId, RevokedRecord } from '@muster/protocol';

/** One enrolled agent and what is known of its machine. Immutable: a change makes a new one. */
export interface Endpoint {
  readonly agentId: AgentId;
  readonly org: OrgId;
  /** The agent's number: the sequence of its enrolment record, unique in the deployment. */
  readonly num: number;
  readonly enrolledAtMs: number;
  /** When the facts were last told; not when it was last connected. */
  readonly seenAtMs: number;
  readonly facts: Facts;
  /** What the agent says of itself. */
  readonly agentLabels: Labels;
  /** What operators set. */
  readonly operatorLabels: Labels;
  /** Both; the operators' win. */
  readonly labels: Labels;
  readonly revoked?: RevokedRecord;
  /** The last time another machine presented this identity. */
  readonly duplicate?: DuplicateRecord;
}

/** The labels that count: the agent's own under those that operators set. */
export function effectiveLabels(agentLabels: Labels, operatorLabels: Labels): Labels {
  return { ...agentLabels, ...operatorLabels };
}

/** What a selector sees of an endpoint: built-in labels from its facts, then its labels. `mode` is unknown while it is offline. */
export function endpointLabel(
  endpoint: Pick<Endpoint, 'agentId' | 'facts' | 'labels'>,
  mode?: 'live' | 'poll',
): (key: string) => string | undefined {
  return (key) => {
    switch (key) {
      case 'id':
        return endpoint.agentId;
      case 'host':
        return endpoint.facts.host;
      case 'os':
        return endpoint.facts.os;
      case 'arch':
        return endpoint.facts.arch;
      case 'version':
        return endpoint.facts.agentVersion;
      case 'mode':
        return mode;
      default:
        return Object.hasOwn(endpoint.labels, key) ? endpoint.labels[key] : undefined;
    }
  };
}
