import {
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StoredMsg,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import {
  isStorageFull,
  StreamError,
  type AppendOptions,
  type AppendResult,
  type CatchUp,
  type EnsureOptions,
  type Entry,
  type StorageState,
  type StreamStore,
  type ReadOptions,
  type StreamDefinition,
} from './stream-store.js';
import { acknowledged, appendHeaders, forgotten, noRoom, unavailable, type Conditions } from './nats-append.js';
import { EntryIterator } from './entry-iterator.js';
import { asStreamError } from './nats-stream-error.js';
import { isNoResponders, isTimeout, lost, type NatsLink } from './nats-link.js';
import { losesBeyondLimit, losingLimit, refuseLosingLimit } from './nats-account-limit.js';
import { findNewest } from './nats-newest.js';
import { purgeSubject } from './nats-purge.js';
import { ensureStream, expectStream, refuseOtherFormats } from './nats-streams.js';
import { askForReader, askToPull, makeReader, pullItself, serveReaders, type Readers } from './nats-readers.js';
import { StorageReserve } from './storage-reserve.js';
import { readStream, type ReaderContext } from './nats-reader.js';

/** A definition as the server's configuration; without fields that need nats-server 2.10. */
function configOf(definition: StreamDefinition) {
  return {
    name: definition.name,
    subjects: [...definition.subjects],
    storage: definition.storage === 'memory' ? StorageType.Memory : StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    max_age: nanos(definition.maxAgeMs ?? 0),
    max_bytes: definition.maxBytes ?? -1,
    max_msgs_per_subject: definition.maxMsgsPerSubject ?? -1,
    ...(definition.replicas === undefined ? {} : { num_replicas: definition.replicas }),
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, definition.maxAgeMs ?? DUPLICATE_WINDOW_MS)),
  } satisfies Partial<StreamConfig>;
}

const DUPLICATE_WINDOW_MS = 120_000;
const API_TIMEOUT_MS = 5_000;
/** JetStream recovers its streams first, so it answers later than the server accepts connections. */
const ENSURE_TIMEOUT_MS = 15_000;
const MAX_APPENDS_IN_FLIGHT = 20_000;
/** Others may store something on other subjects between the lookup and the append. */
const FORGOTTEN_ATTEMPTS = 5;

/** {@link StreamStore} on JetStream. */
export class NatsStreamStore implements StreamStore {
  private readonly link: NatsLink;
  private readonly reading: ReaderContext;
  private readonly reserve: StorageReserve;
  private manager: Promise<JetStreamManager> | undefined;
  private appendsInFlight = 0;
  private hasLosingLimit = false;
  readonly catchingUp = new Set<CatchUp>();

  constructor(link: NatsLink, readers: Readers = 'make') {
    this.link = link;
    this.reserve = new StorageReserve(link, () => this.jsm());
    const jsm = (): Promise<JetStreamManager> => this.jsm();
    const openReader = readers === 'ask' ? askForReader(link) : makeReader(jsm);
    const requestPull = readers === 'ask' ? askToPull(link) : pullItself(link);
    const newestOf = async (stream: string, subject: string) => (await this.newestEntry(stream, subject))?.seq ?? 0;
    this.reading = { link, jsm, newestOf, openReader, requestPull, catchingUp: this.catchingUp };
    if (typeof readers === 'object') serveReaders(link, makeReader(jsm), readers);
  }

  async ensure(streams: readonly StreamDefinition[], options: EnsureOptions = {}): Promise<void> {
    const deadline = Date.now() + (options.timeoutMs ?? ENSURE_TIMEOUT_MS);
    this.reserve.isExpected = streams.every(({ expected }) => expected === true);
    this.reserve.replicas = streams.find(({ replicas }) => replicas !== undefined)?.replicas;
    for (const definition of streams) {
      for (;;) {
        try {
          const jsm = await this.jsm();
          if (definition === streams[0]) {
            await refuseLosingLimit(this.link.nc, jsm);
            await refuseOtherFormats(jsm.streams, streams);
          }
          const wanted = configOf(definition);
          await (definition.expected === true
            ? expectStream(jsm.streams, wanted, definition.format)
            : ensureStream(jsm.streams, wanted, definition.format, options.onEnsured));
          break;
        } catch (error) {
          const failure = asStreamError(error, definition.name);
          if (failure.code !== 'unavailable' || Date.now() > deadline) throw failure;
          await new Promise((resolve) => setTimeout(resolve, 200));
        }
      }
    }
  }

  async append(subject: string, data: Uint8Array, options: AppendOptions = {}): Promise<AppendResult> {
    const { essential = false } = options;
    if (!essential && this.reserve.isShort && this.link.connected && !(await this.reserve.refill())) {
      return noRoom(subject, 'only its reserve is left');
    }
    const result = await this.appendOnce(subject, data, options);
    if (result.kind !== 'unavailable' || !isStorageFull(result.cause)) return result;
    this.reserve.isShort = true;
    if (!essential) return result;
    await this.reserve.release();
    const second = await this.appendOnce(subject, data, options);
    void this.reserve.fill();
    return second;
  }

  private async appendOnce(subject: string, data: Uint8Array, options: Conditions): Promise<AppendResult> {
    if (!this.link.connected) return unavailable(false, 'not connected to nats');
    if (this.appendsInFlight >= MAX_APPENDS_IN_FLIGHT) return unavailable(false, 'too many appends wait for nats');
    this.appendsInFlight += 1;
    try {
      const request = { timeout: API_TIMEOUT_MS, ...appendHeaders(options) };
      const message = await this.link.orLost(this.link.nc.request(subject, data, request));
      if (message === lost) return unavailable(true, 'the connection to nats was lost');
      const result = acknowledged(message, subject);
      const { expectLastSubjectSeq } = options;
      if (result !== forgotten) return result;
      const mayBe = losesBeyondLimit(this.link.nc) && expectLastSubjectSeq !== undefined && expectLastSubjectSeq > 0;
      if (!mayBe) return { kind: 'conflict' };
      return await this.appendAfterForgotten(subject, data, { ...options, expectLastSubjectSeq });
    } catch (error) {
      if (isNoResponders(error)) return unavailable(false, `no stream keeps ${subject}`, error);
      return unavailable(true, isTimeout(error) ? 'nats did not acknowledge in time' : 'append failed', error);
    } finally {
      this.appendsInFlight -= 1;
    }
  }

  /**
   * A server that has forgotten the newest entry of a subject refuses every append that names it. Then the sequence of
   * the whole stream is named in its place: when that holds, nothing was stored since the newest entry was looked up.
   */
  private async appendAfterForgotten(
    subject: string,
    data: Uint8Array,
    options: AppendOptions & { readonly expectLastSubjectSeq: number },
  ): Promise<AppendResult> {
    const { expectLastSubjectSeq, ...others } = options;
    try {
      const jsm = await this.jsm();
      for (let attempt = 0; attempt < FORGOTTEN_ATTEMPTS; attempt += 1) {
        const stream = await jsm.streams.find(subject);
        const newest = await findNewest(jsm, stream, subject);
        if (newest?.entry.seq !== expectLastSubjectSeq) break;
        const result = await this.appendOnce(subject, data, { ...others, expectLastSeq: newest.streamSeq });
        if (result.kind !== 'conflict') return result;
      }
      return { kind: 'conflict' };
    } catch (error) {
      return unavailable(false, `the newest entry of ${subject} cannot be looked up`, error);
    }
  }

  async storage(): Promise<StorageState> {
    try {
      const jsm = await this.jsm();
      const info = await this.link.orLost(jsm.getAccountInfo());
      if (info === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
      await this.reserve.fill();
      const limit = info.limits.max_storage;
      this.tellOfLosingLimit(limit > 0 && losesBeyondLimit(this.link.nc));
      return { usedBytes: info.storage, limitBytes: limit > 0 ? limit : undefined, ...(await this.streamSizes(jsm)) };
    } catch (error) {
      throw asStreamError(error, 'of the account');
    }
  }

  private async streamSizes(jsm: JetStreamManager): Promise<Pick<StorageState, 'streams' | 'bounds'>> {
    const streams = new Map<string, number>();
    const bounds = new Map<string, number>();
    const pages = jsm.streams.list();
    for (;;) {
      const page = await this.link.orLost(pages.next());
      if (page === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
      for (const { config, state } of page) {
        streams.set(config.name, state.bytes);
        if (config.max_bytes > 0) bounds.set(config.name, config.max_bytes);
      }
      if (page.length === 0) return { streams, bounds };
    }
  }

  async last(stream: string, subject: string): Promise<Entry | undefined> {
    try {
      const stored = await this.link.orLost(this.newestEntry(stream, subject));
      if (stored === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
      if (stored === undefined) return undefined;
      const { seq, data, time } = stored;
      return { seq, subject: stored.subject, data, timestampMs: time.getTime(), pending: 0 };
    } catch (error) {
      throw asStreamError(error, stream);
    }
  }

  async newestSeq(stream: string): Promise<number> {
    try {
      const jsm = await this.jsm();
      const info = await this.link.orLost(jsm.streams.info(stream));
      if (info === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
      return info.state.last_seq;
    } catch (error) {
      throw asStreamError(error, stream);
    }
  }

  /** An operator may give the account a limit while services run. */
  private tellOfLosingLimit(isThere: boolean): void {
    const { nc, logger } = this.link;
    if (isThere && !this.hasLosingLimit) logger.error('entries will be lost', { reason: losingLimit(nc) });
    this.hasLosingLimit = isThere;
  }

  private async newestEntry(stream: string, subject: string): Promise<StoredMsg | undefined> {
    const jsm = await this.jsm();
    const stored = await jsm.streams.getMessage(stream, { last_by_subj: subject });
    if (stored !== null) return stored;
    return losesBeyondLimit(this.link.nc) ? (await findNewest(jsm, stream, subject))?.entry : undefined;
  }

  read(stream: string, options: ReadOptions = {}): AsyncIterable<Entry> {
    const batches = () => readStream(this.reading, stream, options);
    return { [Symbol.asyncIterator]: () => new EntryIterator(batches(), options.signal) };
  }

  async purge(stream: string, subject: string, { beforeSeq = Infinity } = {}): Promise<void> {
    try {
      await purgeSubject(this.link, await this.jsm(), { stream, subject, beforeSeq });
    } catch (error) {
      throw asStreamError(error, stream);
    }
  }

  /** Created at first use, because the bus must also work on a server without JetStream. */
  private jsm(): Promise<JetStreamManager> {
    this.manager ??= jetstreamManager(this.link.nc, { timeout: API_TIMEOUT_MS, checkAPI: false });
    return this.manager;
  }
}
