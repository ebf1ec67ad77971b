import type { AgentId, OrgId } from '@muster/protocol';

/** From best to worst. */
export const HEALTH_STATES = ['ok', 'warning', 'critical'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** A change of an endpoint's health. The newest one of an endpoint is its present state. */
export interface HealthRecord {
  /** By the clock of the gateway that the sample came to: of two records the later one may have the lower time. */
  readonly atMs: number;
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly state: HealthState;
  readonly before: HealthState;
  /** The sequence of the endpoint's change before this one, kept or not; 0 when it is the first. */
  readonly prev: number;
  /** The rules that are not ok. */
  readonly rules: readonly FailingRule[];
  /** The sample that it was judged by: its session, and its number in that. Records of older versions do not say. */
  readonly epoch?: number;
  readonly sampleSeq?: number;
}

/** A rule that an endpoint fails. */
export interface FailingRule {
  readonly rule: string;
  readonly state: HealthState;
  /** What it judges by, in the unit of its vital; none of a silent endpoint. */
  readonly value?: number;
  /** From this value on it has this state, counted without its sign; none of a silent endpoint. */
  readonly threshold?: number;
  /** Since when it has this state. Records of older versions do not say; then it is at most the time of the record. */
  readonly sinceMs?: number;
}
