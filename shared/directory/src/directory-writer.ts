import type { StreamStore } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import {
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type FallbackRecord,
  type DuplicateRecord,
  type EnrolledRecord,
  type FactsRecord,
  type StoredRecord,
  type LabelsRecord,
  type ModeOverrideRecord,
  type RevokedRecord,
} from '@muster/records';

export type WriteResult = { readonly kind: 'ok' } | { readonly kind: 'unavailable'; readonly cause: Error };

export type EnrolResult =
  | { readonly kind: 'enrolled' | 'known'; readonly num: number }
  | { readonly kind: 'unavailable'; readonly cause: Error };

/**
 * Writes identities. Every method resolves after the broker has acknowledged, and returns `unavailable` when it cannot; it never throws
 * for that.
 */
export class DirectoryWriter {
  readonly #streams: StreamStore;

  constructor(options: { readonly streams: StreamStore }) {
    this.#streams = options.streams;
  }

  /** Stores a new identity and gives it its number. A known key pair keeps the number it has, whatever else the record says. */
  async enroll(record: EnrolledRecord): Promise<EnrolResult> {
    const subject = STREAM_SUBJECTS.enrolled(record.org, record.agentId);
    const result = await this.#streams.append(subject, encodeRecord(record), { expectLastSubjectSeq: 0 });
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
    return this.#write(STREAM_SUBJECTS.facts(org, agentId), record);
  }

  setLabels(org: OrgId, agentId: AgentId, record: LabelsRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.labels(org, agentId), record);
  }

  revoke(org: OrgId, agentId: AgentId, record: RevokedRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.revoked(org, agentId), record);
  }

  recordDuplicate(org: OrgId, agentId: AgentId, record: DuplicateRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.duplicate(org, agentId), record);
  }

  overrideMode(org: OrgId, agentId: AgentId, record: ModeOverrideRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.mode(org, agentId), record);
  }

  recordFallback(org: OrgId, agentId: AgentId, record: FallbackRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.fallback(org, agentId), record);
  }

  async #write(subject: string, record: StoredRecord): Promise<WriteResult> {
    const result = await this.#streams.append(subject, encodeRecord(record));
    if (result.kind === 'appended') return { kind: 'ok' };
    return { kind: 'unavailable', cause: result.kind === 'unavailable' ? result.cause : new Error('conflict') };
  }
}
