import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import type { ChangeTerms } from '@muster/messages';
import { AppError, LIMITS, newQueryId, type FeedKind, type OrgId } from '@muster/protocol';
import {
  decodePosture,
  encodePosture,
  STREAM_SUBJECTS,
  STREAMS,
  type FeedPart,
  type FeedRecord,
  type FeedUpload,
} from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import { writeFailure } from '@muster/service-base';
import { sumParts } from './sum-parts.js';

interface Kept<T> {
  readonly record: T;
  readonly seq: number;
}

/** Feeds of one org, open uploads among them. */
const MAX_FEEDS = 32;
const PARTS = STREAMS.feedParts.name;

/** Closed uploads without a record, of which an upload knows. */
const MAX_LEFT = 8;
/** Nobody goes on with an upload that is older. */
const ABANDONED_MS = 24 * 60 * 60 * 1_000;

/**
 * The feeds: their versions in memory without records, the records in the stream. A version counts when all of its
 * parts are there and its record is written; then the parts of the version before are taken away.
 *
 * An upload is closed before its record is written, each on the condition that nobody else wrote: so who begins the
 * next one takes only parts away of which no record can come any more. Parts of a closed upload without a record stay
 * until the next record is written.
 */
export class FeedLibrary {
  readonly #options: { readonly streams: StreamStore; readonly clock: Clock; readonly logger: Logger };
  readonly #feeds = new Map<string, Kept<FeedRecord>>();
  readonly #uploads = new Map<string, Kept<FeedUpload>>();
  #view: FollowedView | undefined;

  constructor(options: { readonly streams: StreamStore; readonly clock: Clock; readonly logger: Logger }) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { streams, logger } = this.#options;
    this.#view = await followView(streams, {
      stream: STREAMS.feeds.name,
      apply: (entry) => this.#apply(entry),
      reset: () => {
        this.#feeds.clear();
        this.#uploads.clear();
      },
      logger,
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  /** Of all orgs. */
  all(): FeedRecord[] {
    return [...this.#feeds.values()].map(({ record }) => record).filter(({ isDeleted }) => isDeleted !== true);
  }

  /** By name. */
  list(org: OrgId): FeedRecord[] {
    return this.all()
      .filter((feed) => feed.org === org)
      .toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** @throws AppError `not_found` */
  find(org: OrgId, name: string): FeedRecord {
    const record = this.#feeds.get(keyOf(org, name))?.record;
    if (record === undefined || record.isDeleted === true) throw new AppError('not_found', `there is no feed ${name}`);
    return record;
  }

  /** The last versions, newest first, without those before it was deleted. */
  async versions(org: OrgId, name: string): Promise<FeedRecord[]> {
    let found: FeedRecord[] = [];
    const subject = STREAM_SUBJECTS.feed(org, name);
    for await (const { data } of this.#options.streams.read(STREAMS.feeds.name, { subject, batch: 32 })) {
      const record = decodePosture<FeedRecord>(data.slice());
      found = record.isDeleted === true ? [] : [record, ...found];
    }
    return found;
  }

  /**
   * Opens an upload. One that was open for this name is over, and its parts go. A request that reaches two instances opens one.
   * @throws AppError `bad_feed`, `conflict`
   */
  async begin(org: OrgId, name: string, kind: FeedKind, terms: ChangeTerms = {}): Promise<string> {
    const { clock } = this.#options;
    const key = keyOf(org, name);
    await this.#refresh(org, name);
    const begun = (): FeedUpload | undefined => ofChange(this.#uploads.get(key)?.record, terms);
    const known = begun();
    if (known !== undefined) return known.upload;
    await this.#dropAbandoned(org, name);
    const current = this.#feeds.get(key)?.record;
    if (current !== undefined && current.isDeleted !== true && current.kind !== kind)
      throw new AppError('conflict', `the feed ${name} is of kind ${current.kind}: delete it, or take another name`);
    const names = new Set([...this.list(org), ...this.#openOf(org)].map((one) => one.name));
    if (!names.has(name) && names.size >= MAX_FEEDS)
      throw new AppError('bad_feed', `an org has at most ${MAX_FEEDS} feeds: delete one first`);
    const before = this.#uploads.get(key);
    const left = before === undefined ? [] : leftBy(before.record, current);
    const upload = newQueryId(clock.now()).slice(1);
    const record: FeedUpload = { t: 'upload', org, name, kind, upload, atMs: clock.now(), ...changeOf(terms) };
    const written = await this.#writeFor({ org, name }, begun, () =>
      this.#writeUpload(left.length === 0 ? record : { ...record, left }, before?.seq ?? 0),
    );
    if (written !== undefined) return written.upload;
    // It can get no record any more: to close it would need the record that was replaced just now.
    if (before !== undefined && before.record.isOver !== true) await this.#removeParts(org, name, before.record.upload);
    return upload;
  }

  /** @throws AppError `not_found` where this upload is not open; StreamError */
  async open(org: OrgId, name: string, upload: string): Promise<FeedUpload> {
    // Another instance may have opened it a moment ago.
    await this.#refresh(org, name);
    const found = this.#uploads.get(keyOf(org, name))?.record;
    if (found?.upload === upload && found.isOver !== true) return found;
    throw notOpen(name, upload);
  }

  /** Keeps a part. The same one again replaces it. @throws AppError `broker_unavailable`, `storage_full` */
  async storePart({ org, name, upload }: FeedUpload, part: FeedPart): Promise<void> {
    const subject = STREAM_SUBJECTS.feedPart(org, name, upload, part.index);
    const result = await this.#options.streams.append(subject, encodePosture(part));
    if (result.kind === 'unavailable') throw writeFailure('the part could not be kept', result.cause);
  }

  /** From now on this version counts. Who asks again gets the same record. @throws AppError `bad_feed`, `conflict`, `not_found` */
  async end(asked: Pick<FeedRecord, 'org' | 'name' | 'upload' | 'parts' | 'by'>): Promise<FeedRecord> {
    const { org, name, upload: id, parts, by } = asked;
    await this.#refresh(org, name);
    const known = this.#endedWith(asked);
    if (known !== undefined) return known;
    const upload = this.#lastUpload(org, name, id);
    const sum = await sumParts(this.parts(upload), parts);
    if (sum.records === 0) throw new AppError('bad_feed', `the feed ${name} has no record that can be read`);
    if (sum.records > LIMITS.feedRecords)
      throw new AppError(
        'bad_feed',
        `the feed ${name} has ${sum.records} records; at most ${LIMITS.feedRecords} are kept`,
      );
    await this.#close(upload);
    await this.#refresh(org, name);
    const ended = this.#endedWith(asked);
    if (ended !== undefined) return ended;
    // Whoever began the next one may have ended it too: then this would bring an older version back.
    const { left = [] } = this.#lastUpload(org, name, id);
    const before = this.#feeds.get(keyOf(org, name));
    const record: FeedRecord = {
      ...{ t: 'feed', org, name, kind: upload.kind, upload: id, parts, ...sum, by, atMs: this.#options.clock.now() },
    };
    await this.#write(record, before?.seq ?? 0);
    for (const old of new Set([...left, ...(before === undefined ? [] : [before.record.upload])]))
      if (old !== id) await this.#removeParts(org, name, old);
    return record;
  }

  /** A request that reaches two instances deletes once, and both say so. @throws AppError `not_found`, `conflict` */
  async delete(org: OrgId, name: string, by: FeedRecord['by'], terms: ChangeTerms = {}): Promise<void> {
    const key = keyOf(org, name);
    const deleted = (): FeedRecord | undefined => ofChange(this.#feeds.get(key)?.record, terms);
    const known = deleted();
    const record = known ?? this.find(org, name);
    const { seq } = this.#feeds.get(key) ?? { seq: 0 };
    const none = { ecosystems: [], faults: [], by, atMs: this.#options.clock.now(), isDeleted: true as const };
    const next = { ...record, ...none, ...changeOf(terms) };
    if (known === undefined) await this.#writeFor({ org, name }, deleted, () => this.#write(next, seq));
    // Who deleted it may have died before this.
    await this.#removeParts(org, name, record.upload);
  }

  /** The parts of a version, in the order in which they came. */
  async *parts(
    { org, name, upload }: Pick<FeedRecord, 'org' | 'name' | 'upload'>,
    signal?: AbortSignal,
  ): AsyncGenerator<FeedPart> {
    const subject = STREAM_SUBJECTS.feedParts(org, name, upload);
    const options = { subject, batch: 4, ...(signal === undefined ? {} : { signal }) };
    for await (const { data } of this.#options.streams.read(PARTS, options))
      yield decodePosture<FeedPart>(data.slice());
  }

  #openOf(org: OrgId): FeedUpload[] {
    const all = [...this.#uploads.values()].map(({ record }) => record);
    return all.filter((one) => one.org === org && one.isOver !== true);
  }

  /** Uploads of other names that nobody goes on with are over, and their parts go: they would count as feeds for ever. */
  async #dropAbandoned(org: OrgId, name: string): Promise<void> {
    const until = this.#options.clock.now() - ABANDONED_MS;
    for (const one of this.#openOf(org)) {
      if (one.name === name || one.atMs > until) continue;
      try {
        await this.#close(one);
        await this.#removeParts(org, one.name, one.upload);
      } catch (error) {
        // Somebody else may have begun the next one meanwhile.
        this.#options.logger.info('an abandoned upload goes on', { org, feed: one.name, err: error });
      }
    }
  }

  /** The record that counts, where it is of this upload. */
  #endedWith({ org, name, upload }: Pick<FeedRecord, 'org' | 'name' | 'upload'>): FeedRecord | undefined {
    const record = this.#feeds.get(keyOf(org, name))?.record;
    if (record?.upload !== upload) return undefined;
    if (record.isDeleted === true) throw new AppError('not_found', `the feed ${name} was deleted`);
    return record;
  }

  /** It, where no other one began. It may be closed: whoever closed it may have died before the record. */
  #lastUpload(org: OrgId, name: string, upload: string): FeedUpload {
    const found = this.#uploads.get(keyOf(org, name))?.record;
    if (found?.upload === upload) return found;
    throw notOpen(name, upload);
  }

  /** No part comes any more, and nobody takes its parts away. Another instance may have done it: then it is done. */
  async #close(upload: FeedUpload): Promise<void> {
    const { org, name } = upload;
    await this.#refresh(org, name);
    const { record, seq } = this.#uploads.get(keyOf(org, name)) ?? { seq: 0 };
    if (record?.upload !== upload.upload) throw notOpen(name, upload.upload);
    if (record.isOver !== true) await this.#writeUpload({ ...record, isOver: true }, seq);
  }

  /** What the stream has now: the view may be a moment behind. */
  async #refresh(org: OrgId, name: string): Promise<void> {
    const { streams } = this.#options;
    for (const subject of [STREAM_SUBJECTS.feedUpload(org, name), STREAM_SUBJECTS.feed(org, name)]) {
      const entry = await streams.last(STREAMS.feeds.name, subject);
      if (entry !== undefined) this.#apply(entry);
    }
  }

  /** What another instance wrote for the same request at the same moment; `undefined` when this one wrote. @throws what `write` throws */
  async #writeFor<T extends FeedRecord | FeedUpload>(
    { org, name }: Pick<FeedRecord, 'org' | 'name'>,
    written: () => T | undefined,
    write: () => Promise<void>,
  ): Promise<T | undefined> {
    try {
      await write();
      return undefined;
    } catch (error) {
      if (!AppError.is(error) || error.code !== 'conflict') throw error;
      await this.#refresh(org, name);
      const other = written();
      if (other === undefined) throw error;
      return other;
    }
  }

  /** Parts that stay behind cost room and nothing else; those of the version that counts are never taken away. */
  async #removeParts(org: OrgId, name: string, upload: string): Promise<void> {
    const { streams, logger } = this.#options;
    try {
      const entry = await streams.last(STREAMS.feeds.name, STREAM_SUBJECTS.feed(org, name));
      if (entry !== undefined) this.#apply(entry);
      const current = this.#feeds.get(keyOf(org, name))?.record;
      if (current?.upload === upload && current.isDeleted !== true) return;
      await streams.purge(PARTS, STREAM_SUBJECTS.feedParts(org, name, upload));
    } catch (error) {
      logger.warn('parts of a feed could not be removed', { org, feed: name, upload, err: error });
    }
  }

  async #write(record: FeedRecord, expected: number): Promise<void> {
    const subject = STREAM_SUBJECTS.feed(record.org, record.name);
    const seq = await this.#append(subject, record, expected);
    this.#feeds.set(keyOf(record.org, record.name), { record, seq });
  }

  async #writeUpload(record: FeedUpload, expected: number): Promise<void> {
    const subject = STREAM_SUBJECTS.feedUpload(record.org, record.name);
    const seq = await this.#append(subject, record, expected);
    this.#uploads.set(keyOf(record.org, record.name), { record, seq });
  }

  async #append(subject: string, record: FeedRecord | FeedUpload, expectLastSubjectSeq: number): Promise<number> {
    const result = await this.#options.streams.append(subject, encodePosture(record), { expectLastSubjectSeq });
    if (result.kind === 'appended') return result.seq;
    if (result.kind === 'unavailable') throw writeFailure('the feed could not be kept', result.cause);
    throw new AppError('conflict', `somebody else changed the feed ${record.name} at the same moment; try again`);
  }

  #apply({ data, seq }: Entry): void {
    try {
      const record = decodePosture<FeedRecord | FeedUpload>(data.slice());
      const key = keyOf(record.org, record.name);
      const kept = record.t === 'feed' ? this.#feeds : this.#uploads;
      if ((kept.get(key)?.seq ?? 0) < seq) (kept as Map<string, Kept<typeof record>>).set(key, { record, seq });
    } catch (error) {
      this.#options.logger.error('unreadable feed skipped', { seq, err: error });
    }
  }
}

/** Closed uploads whose parts nobody has taken away, when the next one begins. */
function leftBy(before: FeedUpload, current: FeedRecord | undefined): string[] {
  const { upload, isOver, left = [] } = before;
  const all = isOver === true && upload !== current?.upload ? [...left, upload] : left;
  return all.filter((one) => one !== current?.upload).slice(-MAX_LEFT);
}

function notOpen(name: string, upload: string): AppError {
  return new AppError('not_found', `the upload ${upload} of ${name} is not open: another one began, or it has ended`);
}

/** What is kept, where it was written for this request. */
function ofChange<T extends FeedRecord | FeedUpload>(kept: T | undefined, { changeId }: ChangeTerms): T | undefined {
  return changeId !== undefined && kept?.changeId === changeId ? kept : undefined;
}

const changeOf = ({ changeId }: ChangeTerms): ChangeTerms => (changeId === undefined ? {} : { changeId });
const keyOf = (org: OrgId, name: string): string => `${org}/${name}`;
