import type { AppendOptions, StreamStore } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import {
  decodeRecord,
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type FallbackRecord,
  type DuplicateRecord,
  type EnrolledRecord,
  type FactsRecord,
  type FirstSessionRecord,
  type StoredRecord,
  type LabelsRecord,
  type ModeOverrideRecord,
  type RemovedIdentity,
  type RevokedRecord,
} from '@muster/records';

export type WriteResult = { readonly kind: 'ok' } | { readonly kind: 'unavailable'; readonly cause: Error };

export type EnrolResult =
  | { readonly kind: 'enrolled' | 'known'; readonly num: number }
  | { readonly kind: 'unavailable'; readonly cause: Error };

/** An identity that may be removed: `num` is the number that the caller decided on. */
export interface RemovableIdentity {
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly num: number;
  readonly secret?: string;
}

/** `changed`: the key enrolled anew, or somebody else removed the identity; nothing was written. */
export type RemoveResult = { readonly kind: 'removed' | 'changed' } | Extract<WriteResult, { kind: 'unavailable' }>;

/** How often an enrolment is tried again when another process changes the same identity. */
const ENROL_ATTEMPTS = 4;
const BLANK_FACTS = { host: '', os: 'linux', arch: '', osName: '', osVersion: '', agentVersion: '' } as const;

/**
 * Writes identities. Every method resolves after the broker has acknowledged, and returns `unavailable` when it cannot; it never throws
 * for that.
 */
export class DirectoryWriter {
  readonly #streams: StreamStore;

  constructor(options: { readonly streams: StreamStore }) {
    this.#streams = options.streams;
  }

  /**
   * Stores a new identity and gives it its number. A known key pair keeps the number it has, whatever else the record says; one whose
   * identity was removed gets a new one.
   */
  async enroll(record: EnrolledRecord): Promise<EnrolResult> {
    const subject = STREAM_SUBJECTS.enrolled(record.org, record.agentId);
    let removedAt = 0;
    for (let attempt = 0; attempt < ENROL_ATTEMPTS; attempt += 1) {
      const written = encodeRecord(removedAt === 0 ? record : { ...record, again: true });
      const result = await this.#streams.append(subject, written, { expectLastSubjectSeq: removedAt });
      if (result.kind === 'appended') return { kind: 'enrolled', num: result.seq };
      if (result.kind === 'unavailable') return { kind: 'unavailable', cause: result.cause };
      const known = await this.#newest(record.org, record.agentId);
      if (known.kind === 'unavailable') return known;
      if (known.kind === 'enrolled') return { kind: 'known', num: known.seq };
      removedAt = known.seq;
    }
    return { kind: 'unavailable', cause: new Error('the identity changed each time it was written') };
  }

  /** Whether a key is enrolled now, and its number. */
  async find(org: OrgId, agentId: AgentId): Promise<EnrolResult | { readonly kind: 'unknown' }> {
    const newest = await this.#newest(org, agentId);
    if (newest.kind === 'unavailable') return newest;
    return newest.kind === 'enrolled' ? { kind: 'known', num: newest.seq } : { kind: 'unknown' };
  }

  /**
   * Takes an identity away, unless it has changed: its record becomes one that says so, which every view hears, and the
   * rest is purged. A revocation stays, unless it is the reason. Who removes what is `over_limit` is a gateway, and may
   * not purge: views forget the rest, and `forgetRemoved` takes it away. Safe to call from several processes at once:
   * one of them succeeds.
   */
  async remove(
    { org, agentId, num, secret }: RemovableIdentity,
    { atMs, why }: Pick<RemovedIdentity, 'atMs' | 'why'>,
  ): Promise<RemoveResult> {
    const record: EnrolledRecord = {
      ...{ agentId, org, publicKey: '', enrolledAtMs: atMs, from: '', facts: BLANK_FACTS, labels: {} },
      ...(secret === undefined ? {} : { secret }),
      removed: { atMs, why, num },
    };
    const subject = STREAM_SUBJECTS.enrolled(org, agentId);
    const result = await this.#streams.append(subject, encodeRecord(record), { expectLastSubjectSeq: num });
    if (result.kind === 'unavailable') return { kind: 'unavailable', cause: result.cause };
    if (result.kind === 'conflict') return { kind: 'changed' };
    if (why === 'over_limit') return { kind: 'removed' };
    const purged = await this.#purge(this.#rest(org, agentId, why), result.seq);
    return purged.kind === 'ok' ? { kind: 'removed' } : purged;
  }

  /**
   * Forgets that an identity was removed, when no token of it can be valid any more, and what else is left of it. `seq` is the sequence of
   * the record that says so; whatever came after it stays.
   */
  async forgetRemoved({ org, agentId }: Pick<RemovableIdentity, 'org' | 'agentId'>, seq: number): Promise<WriteResult> {
    return this.#purge([...this.#rest(org, agentId, 'revoked'), STREAM_SUBJECTS.enrolled(org, agentId)], seq + 1);
  }

  recordFirstSession(org: OrgId, agentId: AgentId, record: FirstSessionRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.firstSession(org, agentId), record);
  }

  /** Whether an agent ever opened a session with this identity, as the stream says now. */
  async wasLive({ org, agentId, num }: RemovableIdentity): Promise<boolean | undefined> {
    try {
      const entry = await this.#streams.last(STREAMS.identities.name, STREAM_SUBJECTS.firstSession(org, agentId));
      return entry !== undefined && decodeRecord<FirstSessionRecord>(entry.data).num === num;
    } catch {
      return undefined;
    }
  }

  recordFacts(org: OrgId, agentId: AgentId, record: FactsRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.facts(org, agentId), record);
  }

  setLabels(org: OrgId, agentId: AgentId, record: LabelsRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.labels(org, agentId), record);
  }

  revoke(org: OrgId, agentId: AgentId, record: RevokedRecord): Promise<WriteResult> {
    return this.#write(STREAM_SUBJECTS.revoked(org, agentId), record, { essential: true });
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

  /** The subjects of what else is kept of an identity. */
  #rest(org: OrgId, agentId: AgentId, why: RemovedIdentity['why']): string[] {
    const { firstSession, facts, labels, duplicate, mode, fallback, revoked } = STREAM_SUBJECTS;
    const subjects = [firstSession, facts, labels, duplicate, mode, fallback, ...(why === 'revoked' ? [revoked] : [])];
    return subjects.map((subject) => subject(org, agentId));
  }

  async #purge(subjects: readonly string[], beforeSeq: number): Promise<WriteResult> {
    try {
      for (const subject of subjects) await this.#streams.purge(STREAMS.identities.name, subject, { beforeSeq });
      return { kind: 'ok' };
    } catch (cause) {
      return { kind: 'unavailable', cause: asError(cause) };
    }
  }

  async #newest(
    org: OrgId,
    agentId: AgentId,
  ): Promise<{ kind: 'enrolled' | 'removed'; seq: number } | Extract<WriteResult, { kind: 'unavailable' }>> {
    try {
      const entry = await this.#streams.last(STREAMS.identities.name, STREAM_SUBJECTS.enrolled(org, agentId));
      if (entry === undefined) return { kind: 'removed', seq: 0 };
      const { removed } = decodeRecord<EnrolledRecord>(entry.data);
      return { kind: removed === undefined ? 'enrolled' : 'removed', seq: entry.seq };
    } catch (cause) {
      return { kind: 'unavailable', cause: asError(cause) };
    }
  }

  async #write(subject: string, record: StoredRecord, options?: AppendOptions): Promise<WriteResult> {
    const result = await this.#streams.append(subject, encodeRecord(record), options);
    if (result.kind === 'appended') return { kind: 'ok' };
    return { kind: 'unavailable', cause: result.kind === 'unavailable' ? result.cause : new Error('conflict') };
  }
}

const asError = (cause: unknown): Error => (cause instanceof Error ? cause : new Error(String(cause)));
