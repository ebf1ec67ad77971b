import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { headers, nanos, type Msg } from '@nats-io/transport-node';
import {
  StreamError,
  type AppendOptions,
  type AppendResult,
  type CatchUp,
  type Entry,
  type StorageState,
  type StreamStore,
  type ReadOptions,
  type StreamDefinition,
} from './stream-store.js';
import { asStreamError } from './nats-stream-error.js';
import { isNoResponders, isTimeout, lost, type NatsLink } from './nats-link.js';
import { purgeSubject } from './nats-purge.js';
import { ensureStream } from './nats-streams.js';
import { storageFull } from './nats-stream-error.js';
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
    num_replicas: 1,
    duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, definition.maxAgeMs ?? DUPLICATE_WINDOW_MS)),
  } satisfies Partial<StreamConfig>;
}

const DUPLICATE_WINDOW_MS = 120_000;
const API_TIMEOUT_MS = 5_000;
/** JetStream recovers its streams first, so it answers later than the server accepts connections. */
const ENSURE_TIMEOUT_MS = 15_000;
const MAX_APPENDS_IN_FLIGHT = 20_000;

/** {@link StreamStore} on JetStream. */
export class NatsStreamStore implements StreamStore {
  private readonly link: NatsLink;
  private readonly reading: ReaderContext;
  private readonly reserve: StorageReserve;
  private manager: Promise<JetStreamManager> | undefined;
  private appendsInFlight = 0;
  readonly catchingUp = new Set<CatchUp>();

  constructor(link: NatsLink) {
    this.link = link;
    this.reserve = new StorageReserve(link, () => this.jsm());
    this.reading = { link, jsm: () => this.jsm(), catchingUp: this.catchingUp };
  }

  async ensure(streams: readonly StreamDefinition[], options: { readonly timeoutMs?: number } = {}): Promise<void> {
    const deadline = Date.now() + (options.timeoutMs ?? ENSURE_TIMEOUT_MS);
    for (const definition of streams) {
      for (;;) {
        try {
          await ensureStream((await this.jsm()).streams, configOf(definition));
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
    if (result.kind !== 'unavailable' || !isFull(result.cause)) return result;
    this.reserve.isShort = true;
    if (!essential) return result;
    await this.reserve.release();
    const second = await this.appendOnce(subject, data, options);
    void this.reserve.fill();
    return second;
  }

  private async appendOnce(subject: string, data: Uint8Array, options: AppendOptions): Promise<AppendResult> {
    if (!this.link.connected) return unavailable(false, 'not connected to nats');
    if (this.appendsInFlight >= MAX_APPENDS_IN_FLIGHT) return unavailable(false, 'too many appends wait for nats');
    this.appendsInFlight += 1;
    try {
      const request = { timeout: API_TIMEOUT_MS, ...appendHeaders(options) };
      const message = await this.link.orLost(this.link.nc.request(subject, data, request));
      if (message === lost) return unavailable(true, 'the connection to nats was lost');
      return acknowledged(message, subject);
    } catch (error) {
      if (isNoResponders(error)) return unavailable(false, `no stream keeps ${subject}`, error);
      return unavailable(true, isTimeout(error) ? 'nats did not acknowledge in time' : 'append failed', error);
    } finally {
      this.appendsInFlight -= 1;
    }
  }

  async storage(): Promise<StorageState> {
    try {
      const jsm = await this.jsm();
      const info = await this.link.orLost(jsm.getAccountInfo());
      if (info === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
      await this.reserve.fill();
      const limit = info.limits.max_storage;
      return { usedBytes: info.storage, limitBytes: limit > 0 ? limit : undefined };
    } catch (error) {
      throw asStreamError(error, 'of the account');
    }
  }

  async last(stream: string, subject: string): Promise<Entry | undefined> {
    try {
      const jsm = await this.jsm();
      const stored = await this.link.orLost(jsm.streams.getMessage(stream, { last_by_subj: subject }));
      if (stored === lost) throw new StreamError('unavailable', 'the connection to nats was lost');
      if (stored === null) return undefined;
      const { seq, data, time } = stored;
      return { seq, subject: stored.subject, data, timestampMs: time.getTime(), pending: 0 };
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.NoMessageFound) return undefined;
      throw asStreamError(error, stream);
    }
  }

  read(stream: string, options: ReadOptions = {}): AsyncIterable<Entry> {
    return { [Symbol.asyncIterator]: () => readStream(this.reading, stream, options) };
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

/** Headers take a slower path in client and server, so they are sent only when a condition needs them. */
function appendHeaders(conditions: Pick<AppendOptions, 'expectLastSubjectSeq' | 'msgId'>) {
  if (conditions.expectLastSubjectSeq === undefined && conditions.msgId === undefined) return {};
  const set = headers();
  if (conditions.msgId !== undefined) set.set('Nats-Msg-Id', conditions.msgId);
  if (conditions.expectLastSubjectSeq !== undefined) {
    set.set('Nats-Expected-Last-Subject-Sequence', String(conditions.expectLastSubjectSeq));
  }
  return { headers: set };
}

interface PublishAck {
  readonly seq?: number;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

function acknowledged(message: Msg, subject: string): AppendResult {
  const ack = message.json<PublishAck>();
  if (ack.error !== undefined) {
    if (CONFLICTS.has(ack.error.err_code)) return { kind: 'conflict' };
    const reason = ack.error.description ?? 'unknown';
    if (storageFull(ack.error.err_code, reason)) return noRoom(subject, reason);
    return unavailable(false, `nats refused an entry on ${subject}: ${reason}`);
  }
  if (typeof ack.seq !== 'number') return unavailable(true, `the answer on ${subject} is no acknowledgement`);
  return { kind: 'appended', seq: ack.seq };
}

const CONFLICTS: ReadonlySet<number | undefined> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

function noRoom(subject: string, why: string): AppendResult {
  const cause = new StreamError('storage_full', `nats has no room for an entry on ${subject}: ${why}`);
  return { kind: 'unavailable', maybeStored: false, cause };
}

function isFull(cause: Error): boolean {
  return cause instanceof StreamError && cause.code === 'storage_full';
}

function unavailable(maybeStored: boolean, text: string, cause?: unknown): AppendResult {
  return { kind: 'unavailable', maybeStored, cause: new Error(text, { cause }) };
}
