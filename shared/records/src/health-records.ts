import type { AgentId, OrgId } from '@muster/protocol';

/** From best to worst. */
export const HEALTH_STATES = ['ok', 'warning', 'critical'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** A change of an endpoint's health. The newest one of an endpoint is its present state. */
export interface HealthRecord {
  readonly atMs: number;
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly state: HealthState;
  readonly before: HealthState;
  /** The sequence of the endpoint's change before this one, kept or not; 0 when it is the first. */
  readonly prev: number;
  /** The rules that are not ok, with the value that they judge by; none of a silent endpoint. */
  readonly rules: readonly { readonly rule: string; readonly state: HealthState; readonly value?: number }[];
}
