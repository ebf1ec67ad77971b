import { inflateRawSync } from 'node:zlib';
import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { type Pack, readPack } from '@muster/packs';
import { AppError, PACK_PROPOSAL_MS, type OrgId } from '@muster/protocol';
import {
  decodePosture,
  encodePosture,
  STREAM_SUBJECTS,
  STREAMS,
  type PackRecord,
  type ProposedPack,
  type RemovedPack,
} from '@muster/records';
import type { Logger } from '@muster/runtime';
import { writeFailure } from '@muster/service-base';

interface Kept {
  readonly record: PackRecord | RemovedPack;
  readonly seq: number;
}

interface KeptProposal {
  readonly record: ProposedPack;
  readonly seq: number;
}

/** What the text of a pack may be when it is unpacked; the reader has its own limits below. */
const TEXT_BYTES = 4 * 1024 * 1024;
/** Read packs that are kept in memory. */
const READ_PACKS = 32;

/**
 * The packs that were applied: the newest version of each in memory, the versions before it in the stream. Each write
 * follows what it was decided on. A request may reach two instances: who finds its own change id in what is kept has
 * been asked before, and gives back what was made then.
 */
export class PackLibrary {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #newest = new Map<string, Kept>();
  readonly #proposed = new Map<string, KeptProposal>();
  readonly #read = new Map<string, Pack>();
  #view: FollowedView | undefined;

  constructor({ streams, logger }: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = streams;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.packs.name,
      apply: (entry) => this.#apply(entry),
      reset: () => {
        this.#newest.clear();
        this.#proposed.clear();
      },
      logger: this.#logger,
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  get size(): number {
    return [...this.#applied()].length;
  }

  *#applied(): Generator<PackRecord> {
    for (const { record } of this.#newest.values()) if (!isRemoved(record)) yield record;
  }

  /** Of any version. */
  isApplied(org: OrgId, id: string): boolean {
    const kept = this.#newest.get(keyOf(org, id));
    return kept !== undefined && !isRemoved(kept.record);
  }

  /** By id. */
  list(org: OrgId): PackRecord[] {
    const all = [...this.#applied()].filter((record) => record.org === org);
    return all.sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** What waits for a second person: until a newer version is applied, and not for ever. By id. */
  proposals(org: OrgId, nowMs: number): ProposedPack[] {
    const waiting = [...this.#proposed.keys()].flatMap((key) => this.#waiting(key, nowMs)?.record ?? []);
    return waiting.filter((record) => record.org === org).sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  #waiting(key: string, nowMs: number): KeptProposal | undefined {
    const kept = this.#proposed.get(key);
    if (kept === undefined || this.#isReplaced(kept, this.#newest.get(key))) return undefined;
    const { atMs, decided } = kept.record;
    return decided?.as === 'rejected' || nowMs - atMs >= PACK_PROPOSAL_MS ? undefined : kept;
  }

  /** By a newer version. One that was proposed while another was being applied waits on: who proposed it was told so. */
  #isReplaced({ record, seq }: KeptProposal, newest: Kept | undefined): boolean {
    if (newest === undefined || seq > newest.seq) return false;
    const digest = appliedOf(newest)?.approvedDigest;
    return digest === undefined || digest === record.digest;
  }

  /** Keeps it instead of what waited before. @throws AppError `conflict`, `broker_unavailable`, `storage_full` */
  async propose(record: ProposedPack): Promise<ProposedPack> {
    const { org, id } = record;
    const known = () => this.#proposed.get(keyOf(org, id));
    const before = known();
    if (before !== undefined && isSameChange(before.record, record)) return before.record;
    await this.#checkVersion(record);
    if (await this.#writeProposal(record, before?.seq ?? 0, 'the pack could not be kept')) return record;
    const now = known()?.record;
    if (now !== undefined && isSameChange(now, record)) return now;
    throw new AppError(
      'conflict',
      `somebody else said something of ${id} at the same moment; look at it and try again`,
    );
  }

  /**
   * What a person says to the text that waits. Both answers are written after what they are about, on the condition
   * that nobody else did, so that one that was rejected is never applied. Approving again changes nothing.
   * @throws AppError `not_found` when none waits, `conflict` when it is another text or somebody else was first, `broker_unavailable`
   */
  async decide(
    { org, id, digest }: Pick<ProposedPack, 'org' | 'id' | 'digest'>,
    decided: NonNullable<ProposedPack['decided']>,
  ): Promise<ProposedPack> {
    const key = keyOf(org, id);
    const known = this.#proposed.get(key)?.record;
    if (known?.decided?.as === 'rejected' && isSameChange(known.decided, decided)) return known;
    const kept = this.#waiting(key, decided.atMs);
    if (kept === undefined) throw new AppError('not_found', `no version of ${id} waits for approval`);
    const { record, seq } = kept;
    if (record.digest !== digest)
      throw new AppError('conflict', `another text of ${id} waits by now: read it, and decide about that one`);
    if (record.decided !== undefined) {
      if (decided.as === 'approved') return record;
      throw new AppError('conflict', `${record.decided.by.name} has approved ${id} ${record.version} already`);
    }
    const changed = { ...record, decided };
    if (await this.#writeProposal(changed, seq, 'the answer could not be kept')) return changed;
    const now = this.#proposed.get(key)?.record;
    if (now !== undefined && isSameChange(now.decided, decided)) return now;
    throw new AppError('conflict', `somebody else decided about ${id} at the same moment; look at it and try again`);
  }

  /**
   * Keeps a version that a second person approves. What was rejected meanwhile, or gave way to another text, is not
   * applied, and a pack that was removed meanwhile stays removed.
   * @throws AppError `not_found`, `conflict`, `broker_unavailable`, `storage_full`
   */
  async approve(record: PackRecord & Required<Pick<PackRecord, 'approvedBy'>>, digest: string): Promise<PackRecord> {
    const { org, id, approvedBy: by, atMs, changeId } = record;
    const before = this.#newest.get(keyOf(org, id));
    const known = appliedOf(before);
    if (known !== undefined && isSameChange(known, record)) return known;
    const approved = { as: 'approved' as const, by, atMs, ...(changeId === undefined ? {} : { changeId }) };
    await this.decide({ org, id, digest }, approved);
    await this.#checkVersion(record);
    return this.#writeVersion({ ...record, approvedDigest: digest }, before);
  }

  /**
   * Nobody runs it any more, and what waited under its id waits no longer. What its versions found stays readable, and
   * hunts that run go on.
   * @throws AppError `not_found`, `conflict`, `broker_unavailable`
   */
  async remove(org: OrgId, id: string, removed: RemovedPack['removed']): Promise<RemovedPack> {
    const before = this.#newest.get(keyOf(org, id));
    const known = removalOf(before);
    if (known !== undefined && isSameChange(known.removed, removed)) return known;
    const { version } = this.find(org, id);
    const record: RemovedPack = { org, id, version, removed };
    if (await this.#write(record, before, 'the pack could not be removed')) return record;
    const now = removalOf(this.#newest.get(keyOf(org, id)));
    if (now !== undefined && isSameChange(now.removed, removed)) return now;
    throw new AppError('conflict', `somebody else changed ${id} at the same moment; look at it and try again`);
  }

  /** The newest version. @throws AppError `not_found` */
  find(org: OrgId, id: string): PackRecord {
    const kept = this.#newest.get(keyOf(org, id));
    if (kept !== undefined && !isRemoved(kept.record)) return kept.record;
    const names = this.list(org).map((record) => record.id);
    const there = names.length === 0 ? 'none is applied yet' : `there are ${names.join(', ')}`;
    throw new AppError('not_found', `there is no pack ${id}: ${there}; an admin applies one with muster pack apply`);
  }

  /** The version with these checks; also an earlier one, which a hunt may still run. */
  async version(org: OrgId, id: string, hash: string): Promise<PackRecord | undefined> {
    const newest = this.#newest.get(keyOf(org, id))?.record;
    if (newest !== undefined && !isRemoved(newest) && newest.hash === hash) return newest;
    let found: PackRecord | undefined;
    for await (const record of this.#versions(org, id)) if (record.hash === hash) found = record;
    return found;
  }

  /** The text of a version, read. */
  read(record: PackRecord): Pack {
    const key = `${record.org}/${record.id}/${record.version}/${record.atMs}`;
    const known = this.#read.get(key);
    if (known !== undefined) return known;
    const read = readPack(inflateRawSync(record.text, { maxOutputLength: TEXT_BYTES }).toString('utf8'));
    if (!read.ok) throw new AppError('internal', `the pack ${record.id} ${record.version} cannot be read any more`);
    this.#read.set(key, read.pack);
    const [oldest] = this.#read.keys();
    if (this.#read.size > READ_PACKS && oldest !== undefined) this.#read.delete(oldest);
    return read.pack;
  }

  /**
   * Keeps a version. The same version again is a repeat, with other checks a conflict: findings name versions. The same
   * text again writes nothing: the stream has room for so many writes, and pipelines apply what they have at each run.
   * @throws AppError `conflict`, `broker_unavailable`, `storage_full`
   */
  async store(record: PackRecord): Promise<PackRecord> {
    const before = this.#newest.get(keyOf(record.org, record.id));
    const known = appliedOf(before);
    if (known !== undefined && (isSameChange(known, record) || isSameText(known, record))) return known;
    await this.#checkVersion(record);
    return this.#writeVersion(record, before);
  }

  async #writeVersion(record: PackRecord, before: Kept | undefined): Promise<PackRecord> {
    if (await this.#write(record, before, 'the pack could not be kept')) return record;
    const now = appliedOf(this.#newest.get(keyOf(record.org, record.id)));
    if (now !== undefined && isSameChange(now, record)) return now;
    throw new AppError('conflict', `somebody else changed ${record.id} at the same moment; look at it and try again`);
  }

  /**
   * `false`: somebody else wrote after `before`; what they wrote is known then. @throws AppError `broker_unavailable`,
   * `storage_full`; StreamError
   */
  async #write(record: PackRecord | RemovedPack, before: Kept | undefined, fault: string): Promise<boolean> {
    const { org, id } = record;
    const subject = STREAM_SUBJECTS.pack(org, id);
    const result = await this.#streams.append(subject, encodePosture(record), {
      expectLastSubjectSeq: before?.seq ?? 0,
      ...(isRemoved(record) ? { essential: true as const } : {}),
    });
    if (result.kind === 'unavailable') throw writeFailure(fault, result.cause);
    if (result.kind === 'appended') keep(this.#newest, keyOf(org, id), { record, seq: result.seq });
    else await this.#refresh(subject);
    return result.kind === 'appended';
  }

  /** The same of what waits. */
  async #writeProposal(record: ProposedPack, expectLastSubjectSeq: number, fault: string): Promise<boolean> {
    const { org, id } = record;
    const subject = STREAM_SUBJECTS.packProposal(org, id);
    const result = await this.#streams.append(subject, encodePosture(record), { expectLastSubjectSeq });
    if (result.kind === 'unavailable') throw writeFailure(fault, result.cause);
    if (result.kind === 'appended') keep(this.#proposed, keyOf(org, id), { record, seq: result.seq });
    else await this.#refresh(subject);
    return result.kind === 'appended';
  }

  /** What the stream has now: the view may be a moment behind. */
  async #refresh(subject: string): Promise<void> {
    const entry = await this.#streams.last(STREAMS.packs.name, subject);
    if (entry !== undefined) this.#apply(entry);
  }

  /** @throws AppError `conflict`, `broker_unavailable` */
  async #checkVersion({ org, id, version, hash }: Pick<PackRecord, 'org' | 'id' | 'version' | 'hash'>): Promise<void> {
    for await (const known of this.#versions(org, id))
      if (known.version === version && known.hash !== hash)
        throw new AppError('conflict', `version ${version} of ${id} has other checks; give it a new version`);
  }

  /** All that were applied, also before a pack was removed, the oldest first. @throws AppError `broker_unavailable` */
  async *#versions(org: OrgId, id: string): AsyncGenerator<PackRecord> {
    const subject = STREAM_SUBJECTS.pack(org, id);
    try {
      for await (const { data } of this.#streams.read(STREAMS.packs.name, { subject, batch: 4 })) {
        const record = decodePosture<PackRecord | RemovedPack>(data.slice());
        if (!isRemoved(record)) yield record;
      }
    } catch (cause) {
      throw new AppError('broker_unavailable', `the versions of ${id} could not be read`, { cause });
    }
  }

  #apply({ data, seq }: Entry): void {
    try {
      const record = decodePosture<PackRecord | ProposedPack | RemovedPack>(data.slice());
      const key = keyOf(record.org, record.id);
      if ('proposal' in record) keep(this.#proposed, key, { record, seq });
      else keep(this.#newest, key, { record, seq });
    } catch (error) {
      this.#logger.error('unreadable pack skipped', { seq, err: error });
    }
  }
}

interface Change {
  readonly changeId?: string;
}

/** Unless something newer is known: the view may have heard of that before a write was answered. */
function keep<T extends { readonly seq: number }>(known: Map<string, T>, key: string, kept: T): void {
  if ((known.get(key)?.seq ?? 0) < kept.seq) known.set(key, kept);
}

/** Whether what is kept was written for this request. */
const isSameChange = (kept: Change | undefined, { changeId }: Change): boolean =>
  changeId !== undefined && kept?.changeId === changeId;

/** Also vouched for by the same keys: after a rotation a pack is applied again to be signed again. */
const isSameText = (one: PackRecord, other: PackRecord): boolean =>
  one.version === other.version &&
  one.hash === other.hash &&
  one.keys === other.keys &&
  Buffer.compare(one.text, other.text) === 0;
const appliedOf = (kept: Kept | undefined): PackRecord | undefined =>
  kept === undefined || isRemoved(kept.record) ? undefined : kept.record;
const removalOf = (kept: Kept | undefined): RemovedPack | undefined =>
  kept !== undefined && isRemoved(kept.record) ? kept.record : undefined;
const isRemoved = (record: PackRecord | RemovedPack): record is RemovedPack => 'removed' in record;
const keyOf = (org: OrgId, id: string): string => `${org}/${id}`;
