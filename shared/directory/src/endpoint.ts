import type { AgentId, Facts, Labels, OrgId, SessionMode } from '@muster/protocol';
import type { FallbackRecord, DuplicateRecord, ModeOverrideRecord, RevokedRecord } from '@muster/records';

/** One enrolled agent and what is known of its machine. Immutable: a change makes a new object. */
export interface Endpoint {
  readonly agentId: AgentId;
  readonly org: OrgId;
  /** The agent's number: the sequence of its enrolment record, unique in the deployment. */
  readonly num: number;
  readonly enrolledAtMs: number;
  /** When the facts were last reported; not when the agent was last connected. */
  readonly seenAtMs: number;
  readonly facts: Facts;
  /** Labels from the agent's own configuration. */
  readonly agentLabels: Labels;
  /** Those that operators set; until then those that the enrolment secret gave. */
  readonly operatorLabels: Labels;
  /** Both; the operators' labels win. The same object as the agent's where operators set none. */
  readonly labels: Labels;
  /** The name of the secret that it enrolled with; absent where an earlier version enrolled it. */
  readonly secret?: string;
  /** When an agent first opened a session with this identity. Absent: never, or before a version that keeps it. */
  readonly firstLiveAtMs?: number;
  readonly revoked?: RevokedRecord;
  /** The last time another machine presented this identity. */
  readonly duplicate?: DuplicateRecord;
  /** The last mode override, which may be withdrawn or expired: see {@link activeModeOverride}. */
  readonly modeOverride?: ModeOverrideRecord;
  /** The last time the agent reported that it could not use its assigned mode. */
  readonly fallback?: FallbackRecord;
}

export type ModeOverride = ModeOverrideRecord & { readonly mode: SessionMode };

/** The override if it is in force at `nowMs`; `undefined` when there is none, or it was withdrawn, or it has expired. */
export function activeModeOverride(record: ModeOverrideRecord | undefined, nowMs: number): ModeOverride | undefined {
  if (record === undefined || (record.untilMs !== undefined && record.untilMs <= nowMs)) return undefined;
  return record.mode === 'default' ? undefined : (record as ModeOverride);
}

/** The agent's labels, overridden by those that operators set. */
export function effectiveLabels(agentLabels: Labels, operatorLabels: Labels): Labels {
  for (const _key in operatorLabels) return { ...agentLabels, ...operatorLabels };
  return agentLabels;
}

/**
 * The label values that a selector is matched against: built-in labels from the facts, then the labels. `mode` is `offline` of one that is
 * known not to be connected, and `undefined` while nobody knows.
 */
export function endpointLabel(
  endpoint: Pick<Endpoint, 'agentId' | 'facts' | 'labels'>,
  mode?: 'live' | 'poll' | 'offline',
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
