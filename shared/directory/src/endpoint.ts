import type { AgentId, Facts, Labels, OrgId, SessionMode } from '@muster/protocol';
import type { FallbackRecord, DuplicateRecord, ModeRecord, RevokedRecord } from '@muster/records';

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
  /** What was last ordered about its channel, be it withdrawn or over by now: see {@link modeOverride}. */
  readonly wanted?: ModeRecord;
  /** The last time it told that it could not use the channel that it was to use. */
  readonly away?: FallbackRecord;
}

/** An order about the channel that holds. */
export type ModeOverride = ModeRecord & { readonly mode: SessionMode };

/** The order if it holds at `nowMs`: one that was withdrawn, or whose lease is over, is as if it had never been given. */
export function modeOverride(record: ModeRecord | undefined, nowMs: number): ModeOverride | undefined {
  if (record === undefined || (record.untilMs !== undefined && record.untilMs <= nowMs)) return undefined;
  return record.mode === 'default' ? undefined : (record as ModeOverride);
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
