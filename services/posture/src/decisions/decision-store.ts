import { randomBytes } from 'node:crypto';
import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import type { ChangeTerms } from '@muster/messages';
import { AppError, base32, type OrgId } from '@muster/protocol';
import { decodePosture, encodePosture, STREAMS, type ExceptionRecord, type ScheduleRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { writeFailure } from '@muster/service-base';

type Decision = ScheduleRecord | ExceptionRecord;

export interface Kept<T> {
  readonly seq: number;
  readonly record: T;
}

export interface DecisionStoreOptions {
  readonly streams: StreamStore;
  readonly logger: Logger;
  /** With wildcards: all records of this kind. */
  readonly subjects: string;
  readonly subjectOf: (org: OrgId, id: string) => string;
  /** What people call one: `schedule`. */
  readonly noun: string;
  /** What comes before the 13 characters of an id. */
  readonly prefix: string;
}

/** How often a change is tried again when somebody else wrote at the same moment. */
const ATTEMPTS = 5;
/** Changes that a record names. A request does not live long enough for more to come after it. */
const CHANGE_IDS = 8;

/** What people decided about scans, of all orgs, in memory. Each change is written on the condition that it changes what it has read. */
export class DecisionStore<T extends Decision> {
  readonly #options: DecisionStoreOptions;
  readonly #all = new Map<string, Kept<T>>();
  #view: FollowedView | undefined;

  constructor(options: DecisionStoreOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { streams, logger, subjects } = this.#options;
    this.#view = await followView(streams, {
      ...{ stream: STREAMS.posture.name, subject: subjects, logger },
      apply: (entry) => this.#apply(entry),
      reset: () => this.#all.clear(),
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  /** Of all orgs, without those that were deleted. */
  *living(): Generator<T> {
    for (const { record } of this.#all.values()) if (record.deleted === undefined) yield record;
  }

  list(org: OrgId): T[] {
    return [...this.living()].filter((record) => record.org === org);
  }

  /** Of an org, also those that were deleted. */
  *ever(org: OrgId): Generator<T> {
    for (const { record } of this.#all.values()) if (record.org === org) yield record;
  }

  newId(): string {
    return `${this.#options.prefix}${base32(randomBytes(9)).slice(0, 13)}`;
  }

  /** As the stream has it now: another instance may have written it a moment ago. @throws AppError `not_found`, `broker_unavailable` */
  async find(org: OrgId, id: string): Promise<Kept<T>> {
    return this.#living(id, await this.#last(org, id));
  }

  /** @throws AppError `not_found` */
  #living(id: string, kept: Kept<T> | undefined): Kept<T> {
    if (kept === undefined || kept.record.deleted !== undefined)
      throw new AppError('not_found', `there is no ${this.#options.noun} ${id}`);
    return kept;
  }

  /** Also one that was deleted. */
  async #last(org: OrgId, id: string): Promise<Kept<T> | undefined> {
    const { streams, subjectOf, noun } = this.#options;
    const entry = await streams.last(STREAMS.posture.name, subjectOf(org, id)).catch((cause: unknown) => {
      throw new AppError('broker_unavailable', `the ${noun} could not be read`, { cause });
    });
    return entry && { seq: entry.seq, record: decodePosture<T>(entry.data.slice()) };
  }

  /**
   * Makes a record once for one id: who asks again gets what is there, if `isSame` says that it was made of the same terms.
   * @throws AppError `idempotency_mismatch`; `conflict` when it was deleted since; what `make` throws; `broker_unavailable`, `storage_full`
   */
  async createOnce(
    { org, id }: { readonly org: OrgId; readonly id: string },
    make: () => T,
    isSame: (there: T) => boolean,
  ): Promise<T> {
    const { noun, prefix } = this.#options;
    if (!id.startsWith(prefix) || !/^[a-z2-7]{13}$/.test(id.slice(prefix.length)))
      throw new AppError('bad_request', `${id} is not the id of a ${noun}`);
    const earlier = await this.#last(org, id);
    if (earlier === undefined) {
      const record = make();
      if (await this.write(record, 0)) return record;
    }
    const there = earlier ?? (await this.#last(org, id));
    if (there === undefined) throw new AppError('conflict', `the ${noun} could not be kept; try again`);
    const { record } = there;
    if (!isSame(record)) throw new AppError('idempotency_mismatch', `the ${noun} ${id} was made of another request`);
    if (record.deleted === undefined) return record;
    throw new AppError('conflict', `the ${noun} ${id} was made by an earlier request, and is deleted`);
  }

  /**
   * Writes what `change` makes of the present record. A request that names its change may reach two instances: it is
   * made once, and who comes later gets the record as it is.
   * @throws AppError `not_found`, `conflict`, `broker_unavailable`, and what `change` throws
   */
  async update(org: OrgId, id: string, change: (record: T) => T, { changeId }: ChangeTerms = {}): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const last = await this.#last(org, id);
      if (last !== undefined && changeId !== undefined && last.record.changeIds?.includes(changeId) === true)
        return last.record;
      const { seq, record } = this.#living(id, last);
      const changed = change(record);
      if (changed === record) return record;
      const changeIds = [...(changeId === undefined ? [] : [changeId]), ...(record.changeIds ?? [])];
      const named = changeIds.length === 0 ? changed : { ...changed, changeIds: changeIds.slice(0, CHANGE_IDS) };
      if (await this.write(named, seq)) return named;
    }
    throw new AppError('conflict', `the ${this.#options.noun} ${id} changes all the time; try again`);
  }

  /**
   * What is in memory now: the record and the sequence that a write must follow, which belong together. `undefined`
   * where it was deleted.
   */
  kept({ org, id }: Pick<T, 'org' | 'id'>): Kept<T> | undefined {
    const kept = this.#all.get(`${org}/${id}`);
    return kept?.record.deleted === undefined ? kept : undefined;
  }

  /** `false`: it is not the successor of that sequence. @throws AppError `broker_unavailable`, `storage_full` */
  async write(record: T, afterSeq: number): Promise<boolean> {
    const { streams, subjectOf, noun } = this.#options;
    const essential = record.deleted === undefined ? {} : ({ essential: true } as const);
    const subject = subjectOf(record.org, record.id);
    const result = await streams.append(subject, encodePosture(record), {
      expectLastSubjectSeq: afterSeq,
      ...essential,
    });
    if (result.kind === 'unavailable') throw writeFailure(`the ${noun} could not be kept`, result.cause);
    if (result.kind === 'conflict') return false;
    this.#keep({ seq: result.seq, record });
    return true;
  }

  #apply({ seq, data }: Entry): void {
    try {
      this.#keep({ seq, record: decodePosture<T>(data.slice()) });
    } catch (error) {
      this.#options.logger.error('unreadable decision skipped', { noun: this.#options.noun, seq, err: error });
    }
  }

  #keep(kept: Kept<T>): void {
    const key = `${kept.record.org}/${kept.record.id}`;
    if ((this.#all.get(key)?.seq ?? 0) < kept.seq) this.#all.set(key, kept);
  }
}
