import { activeModeOverride, type ModeOverride } from '@muster/directory';
import type { AgentId, Labels, OrgId } from '@muster/protocol';
import {
  decodeRecord,
  type EnrolledRecord,
  type LabelsRecord,
  type ModeOverrideRecord,
  type RemovedIdentity,
} from '@muster/records';
import type { IdentityView } from './identity-view.js';

export interface OverrideListener {
  labelsChanged?(org: OrgId, agentId: AgentId): void;
  revoked?(org: OrgId, agentId: AgentId): void;
  /** An operator made or withdrew a mode override. */
  modeChanged?(org: OrgId, agentId: AgentId): void;
}

const NO_LABELS: Labels = {};

/**
 * What operators decided about single agents: labels, revocations, mode overrides. Every gateway keeps all of them, so that a connect needs
 * no look-up and a decision reaches sessions as soon as the stream brings it.
 */
export class OperatorOverrides {
  readonly #listeners: OverrideListener[] = [];
  readonly #labels = new Map<string, { readonly seq: number; readonly labels: Labels }>();
  /** Labels that enrolment secrets gave; they hold until operators set some. */
  readonly #given = new Map<string, Labels>();
  /** The sequences of the revocations. */
  readonly #revoked = new Map<string, number>();
  readonly #modes = new Map<string, { readonly seq: number; readonly record: ModeOverrideRecord }>();
  #latestMode: { readonly data: Uint8Array; readonly record: ModeOverrideRecord } | undefined;

  /** When the stream begins anew and has lost decisions, they stay in force here: that is the safe side. */
  constructor(records: IdentityView) {
    records.on('labels', (entry, org, agentId) => {
      this.#labels.set(keyOf(org, agentId), {
        seq: entry.seq,
        labels: decodeRecord<LabelsRecord>(entry.data).labels,
      });
      for (const listener of this.#listeners) listener.labelsChanged?.(org, agentId);
    });
    records.on('revoked', (entry, org, agentId) => {
      this.#revoked.set(keyOf(org, agentId), entry.seq);
      for (const listener of this.#listeners) listener.revoked?.(org, agentId);
    });
    records.on('mode', (entry, org, agentId) => {
      this.#modes.set(keyOf(org, agentId), { seq: entry.seq, record: this.#sharedMode(entry.data) });
      for (const listener of this.#listeners) listener.modeChanged?.(org, agentId);
    });
  }

  listen(listener: OverrideListener): void {
    this.#listeners.push(listener);
  }

  labelsOf(org: OrgId, agentId: AgentId): Labels {
    const key = keyOf(org, agentId);
    return this.#labels.get(key)?.labels ?? this.#given.get(key) ?? NO_LABELS;
  }

  /** Before its first session: nobody has to hear of these labels. */
  enrolled(org: OrgId, agentId: AgentId, { given }: Pick<EnrolledRecord, 'given'>): void {
    if (given !== undefined) this.#given.set(keyOf(org, agentId), given);
  }

  /** The mode override of an agent, if it still holds. */
  modeOf(org: OrgId, agentId: AgentId, nowMs: number): ModeOverride | undefined {
    return activeModeOverride(this.#modes.get(keyOf(org, agentId))?.record, nowMs);
  }

  isRevoked(org: OrgId, agentId: AgentId): boolean {
    return this.#revoked.has(keyOf(org, agentId));
  }

  /**
   * An identity was removed by the record of this sequence: what was decided about it before is forgotten. A revocation
   * stays in force, unless it is the reason.
   */
  removed(org: OrgId, agentId: AgentId, seq: number, why: RemovedIdentity['why']): void {
    const key = keyOf(org, agentId);
    this.#given.delete(key);
    if ((this.#labels.get(key)?.seq ?? seq) < seq) this.#labels.delete(key);
    if ((this.#modes.get(key)?.seq ?? seq) < seq) this.#modes.delete(key);
    if (why === 'revoked' && (this.#revoked.get(key) ?? seq) < seq) this.#revoked.delete(key);
  }

  /** An override for thousands of agents is thousands of equal records in a row: one object is enough for them. */
  #sharedMode(data: Uint8Array): ModeOverrideRecord {
    if (this.#latestMode === undefined || Buffer.compare(this.#latestMode.data, data) !== 0) {
      this.#latestMode = { data, record: decodeRecord<ModeOverrideRecord>(data) };
    }
    return this.#latestMode.record;
  }
}

function keyOf(org: OrgId, agentId: AgentId): string {
  return `${org}/${agentId}`;
}
