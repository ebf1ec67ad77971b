import type { StreamStore } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import {
  encodeKept,
  KEPT,
  STREAMS,
  type FallbackRecord,
  type DuplicateRecord,
  type EnrolledRecord,
  type FactsRecord,
  type KeptRecord,
  type LabelsRecord,
  type ModeRecord,
  type RevokedRecord,
} from '@muster/records';

export type WriteResult = { readonly kind: 'ok' } | { readonly kind: 'unavailable'; readonly cause: Error };

export type EnrolResult =
  | { readonly kind: 'enrolled' | 'known'; readonly num: number }
  | { readonly kind: 'unavailable'; readonly cause: Error };

/** Writes identities. Every method resolves only after the broker has acknowledged, and never throws for a broken broker. */
export class DirectoryWriter {
  readonly #streams: StreamStore;

  constructor(options: { readonly streams: StreamStore }) {
    this.#streams = options.streams;
  }

  /** Keeps a new identity and numbers it. A key pair that is known keeps the number it has, whatever else the record says. */
  async enroll(record: EnrolledRecord): Promise<EnrolResult> {
    const subject = KEPT.enrolled(record.org, record.agentId);
    const result = await this.#streams.append(subject, encodeKept(record), { expectLastSubjectSeq: 0 });
    if (result.kind === 'appended') return { kind: 'enrolled', num: result.seq };
    if (result.kind === 'unavailable') return { kind: 'unavailable', cause: result.cause };
    try {
      const known = await this.#streams.last(STREAMS.identities.name, subject);
      if (known !== undefined) return { kind: 'known', num: known.seq };
      return { kind: 'unavailable', cause: new Error('the identity vanished while it was being read') };
    } catch (cause) {
      return { kind: 'unavailable', cause: cause instanceof Error ? cause : new Error(String(cause)) };
    }
  }

  recordFacts(org: OrgId, agentId: AgentId, record: FactsRecord): Promise<WriteResult> {
    return this.#write(KEPT.facts(org, agentId), record);
  }

  setLabels(org: OrgId, agentId: AgentId, record: LabelsRecord): Promise<WriteResult> {
    return this.#write(KEPT.labels(org, agentId), record);
  }

  revoke(org: OrgId, agentId: AgentId, record: RevokedRecord): Promise<WriteResult> {
    return this.#write(KEPT.revoked(org, agentId), record);
  }

  recordDuplicate(org: OrgId, agentId: AgentId, record: DuplicateRecord): Promise<WriteResult> {
    return this.#write(KEPT.duplicate(org, agentId), record);
  }

  /** Orders which channel an agent is to use, or withdraws the order. */
  orderMode(org: OrgId, agentId: AgentId, record: ModeRecord): Promise<WriteResult> {
    return this.#write(KEPT.mode(org, agentId), record);
  }

  recordFallback(org: OrgId, agentId: AgentId, record: FallbackRecord): Promise<WriteResult> {
    return this.#write(KEPT.away(org, agentId), record);
  }

  async #write(subject: string, record: KeptRecord): Promise<WriteResult> {
    const result = await this.#streams.append(subject, encodeKept(record));
    if (result.kind === 'appended') return { kind: 'ok' };
    return { kind: 'unavailable', cause: result.kind === 'unavailable' ? result.cause : new Error('conflict') };
  }
}
