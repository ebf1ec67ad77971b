import { followView, readInTime, type FollowedView, type StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type QuestionRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { writeFailure } from '@muster/service-base';

/** The newest version of a question, which may say that it was deleted. */
export interface KeptQuestion {
  readonly seq: number;
  readonly record: QuestionRecord;
}

/** How many names of deleted questions an org keeps: their versions can still be read. */
export const MAX_DELETED = 200;

/** The saved questions of all orgs in memory, as their stream has them. Older versions are read from the stream. */
export class QuestionStore {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #byOrg = new Map<OrgId, Map<string, KeptQuestion>>();
  #view: FollowedView | undefined;

  constructor({ streams, logger }: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = streams;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.questions.name,
      subject: STREAM_SUBJECTS.allQuestions,
      logger: this.#logger,
      apply: ({ seq, data }) => this.#keep({ seq, record: decodeRecord(data) }),
      reset: () => this.#byOrg.clear(),
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  /** The newest version, a deletion too; undefined for a name that was never used. */
  newest(org: OrgId, name: string): KeptQuestion | undefined {
    return this.#byOrg.get(org)?.get(name);
  }

  /** The same, as the stream has it now: another API process may have written it a moment ago. @throws AppError `broker_unavailable` */
  async read(org: OrgId, name: string): Promise<KeptQuestion | undefined> {
    const subject = STREAM_SUBJECTS.question(org, name);
    const entry = await this.#streams.last(STREAMS.questions.name, subject).catch((cause: unknown) => {
      throw new AppError('broker_unavailable', 'the question could not be read', { cause });
    });
    if (entry === undefined) this.#byOrg.get(org)?.delete(name);
    else this.#keep({ seq: entry.seq, record: decodeRecord(entry.data) });
    return this.newest(org, name);
  }

  /** Those of an org that are not deleted, sorted by name. */
  list(org: OrgId): QuestionRecord[] {
    return this.#all(org)
      .map(({ record }) => record)
      .filter(({ deleted }) => deleted !== true)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** What is kept of the versions of a question, newest first. @throws AppError `broker_unavailable` */
  async versions(org: OrgId, name: string): Promise<QuestionRecord[]> {
    const found: QuestionRecord[] = [];
    const subject = STREAM_SUBJECTS.question(org, name);
    try {
      for await (const { data } of readInTime(this.#streams, STREAMS.questions.name, { subject, batch: 20 }))
        found.push(decodeRecord(data));
    } catch (cause) {
      throw new AppError('broker_unavailable', 'the versions could not be read', { cause });
    }
    return found.reverse();
  }

  /**
   * Writes the version after `before`; `undefined` for a name that was never used.
   * @throws AppError `conflict` where somebody wrote another meanwhile; `broker_unavailable`, `storage_full`.
   */
  async write(record: QuestionRecord, before: KeptQuestion | undefined): Promise<void> {
    const { org, name } = record;
    const essential = record.deleted === true ? ({ essential: true } as const) : {};
    const result = await this.#streams.append(STREAM_SUBJECTS.question(org, name), encodeRecord(record), {
      expectLastSubjectSeq: before?.seq ?? 0,
      ...essential,
    });
    if (result.kind === 'unavailable') throw writeFailure('the question could not be kept', result.cause);
    if (result.kind === 'conflict') throw new AppError('conflict', 'the question was changed meanwhile');
    this.#keep({ seq: result.seq, record });
    if (record.deleted === true) await this.#dropOldest(org);
  }

  /** Names of deleted questions must not pile up. What fails is tried at the next deletion. */
  async #dropOldest(org: OrgId): Promise<void> {
    const deleted = this.#all(org).filter(({ record }) => record.deleted === true);
    const surplus = deleted.sort((a, b) => a.seq - b.seq).slice(0, Math.max(0, deleted.length - MAX_DELETED));
    for (const { seq, record } of surplus) {
      try {
        const subject = STREAM_SUBJECTS.question(org, record.name);
        await this.#streams.purge(STREAMS.questions.name, subject, { beforeSeq: seq + 1 });
        this.#byOrg.get(org)?.delete(record.name);
      } catch (err) {
        this.#logger.warn('a deleted question could not be dropped', { name: record.name, err });
      }
    }
  }

  #all(org: OrgId): KeptQuestion[] {
    return [...(this.#byOrg.get(org)?.values() ?? [])];
  }

  #keep(kept: KeptQuestion): void {
    const { org, name } = kept.record;
    const own = this.#byOrg.get(org) ?? new Map<string, KeptQuestion>();
    if ((own.get(name)?.seq ?? 0) > kept.seq) return;
    own.set(name, kept);
    this.#byOrg.set(org, own);
  }
}
