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
import { refuseOtherFormat } from './stream-format.js';
import { matchesSubject } from './subject-match.js';

type Stored = Omit<Entry, 'pending'>;

interface MemoryStream {
  definition: StreamDefinition;
  entries: Stored[];
  lastSeq: number;
  readonly idsSeen: Map<string, number>;
}

/** The streams that all memory stores of a broker share. */
export class MemoryStore {
  readonly formats = new Map<string, number>();
  readonly streams = new Map<string, MemoryStream>();
  readonly changed = new Set<() => void>();

  ensure(definition: StreamDefinition): void {
    const stream = this.streams.get(definition.name);
    if (stream === undefined) {
      this.streams.set(definition.name, { definition, entries: [], lastSeq: 0, idsSeen: new Map() });
    } else if ((stream.definition.storage ?? 'file') !== (definition.storage ?? 'file')) {
      throw new StreamError('invalid', `stream ${definition.name} cannot change its storage`);
    } else {
      stream.definition = definition;
      trim(stream);
    }
  }

  append(subject: string, data: Uint8Array, { expectLastSubjectSeq, msgId }: AppendOptions): AppendResult {
    const stream = [...this.streams.values()].find(({ definition }) =>
      definition.subjects.some((pattern) => matchesSubject(pattern, subject)),
    );
    if (stream === undefined) {
      return { kind: 'unavailable', maybeStored: false, cause: new Error(`no stream keeps ${subject}`) };
    }
    const seen = msgId === undefined ? undefined : stream.idsSeen.get(msgId);
    if (seen !== undefined) return { kind: 'appended', seq: seen };
    const newest = stream.entries.findLast((entry) => entry.subject === subject)?.seq ?? 0;
    if (expectLastSubjectSeq !== undefined && expectLastSubjectSeq !== newest) return { kind: 'conflict' };
    const seq = ++stream.lastSeq;
    stream.entries.push({ seq, subject, data: data.slice(), timestampMs: Date.now() });
    if (msgId !== undefined) stream.idsSeen.set(msgId, seq);
    trim(stream);
    for (const tell of this.changed) tell();
    return { kind: 'appended', seq };
  }

  stream(name: string): MemoryStream {
    const stream = this.streams.get(name);
    if (stream === undefined) throw new StreamError('no_stream', `stream ${name} does not exist`);
    trim(stream);
    return stream;
  }
}

/** Removes what is beyond the stream's limits. */
function trim(stream: MemoryStream): void {
  const { maxAgeMs, maxBytes, maxMsgsPerSubject } = stream.definition;
  if (maxAgeMs === undefined && maxBytes === undefined && maxMsgsPerSubject === undefined) return;
  const oldest = maxAgeMs === undefined ? 0 : Date.now() - maxAgeMs;
  const isBoundByAge = maxBytes === undefined && maxMsgsPerSubject === undefined;
  if (isBoundByAge && (stream.entries[0]?.timestampMs ?? oldest) >= oldest) return;
  const perSubject = new Map<string, number>();
  let bytes = 0;
  const kept: Stored[] = [];
  for (const entry of stream.entries.toReversed()) {
    const count = (perSubject.get(entry.subject) ?? 0) + 1;
    perSubject.set(entry.subject, count);
    bytes += entry.data.length;
    const isWithin = count <= (maxMsgsPerSubject ?? Infinity) && bytes <= (maxBytes ?? Infinity);
    if (isWithin && entry.timestampMs >= oldest) kept.push(entry);
  }
  stream.entries = kept.toReversed();
}

/** {@link StreamStore} in memory, for unit tests. */
export class MemoryStreamStore implements StreamStore {
  /** A reader in memory has caught up at once. */
  readonly catchingUp: ReadonlySet<CatchUp> = new Set();
  private readonly store: MemoryStore;
  private readonly isConnected: () => boolean;

  constructor(store: MemoryStore, isConnected: () => boolean) {
    this.store = store;
    this.isConnected = isConnected;
  }

  async ensure(streams: readonly StreamDefinition[]): Promise<void> {
    await Promise.resolve();
    this.checkConnected();
    for (const definition of streams) {
      const found = this.store.formats.get(definition.name);
      if (found !== undefined) refuseOtherFormat(definition, found);
    }
    for (const definition of streams) {
      const { name, format = 1 } = definition;
      this.store.formats.set(name, Math.max(format, this.store.formats.get(name) ?? 1));
      this.store.ensure(definition);
    }
  }

  append(subject: string, data: Uint8Array, options: AppendOptions = {}): Promise<AppendResult> {
    if (this.isConnected()) return Promise.resolve(this.store.append(subject, data, options));
    return Promise.resolve({ kind: 'unavailable', maybeStored: false, cause: new Error('not connected') });
  }

  async last(stream: string, subject: string): Promise<Entry | undefined> {
    await Promise.resolve();
    this.checkConnected();
    const found = this.store.stream(stream).entries.findLast((entry) => matchesSubject(subject, entry.subject));
    return found === undefined ? undefined : { ...found, pending: 0 };
  }

  async newestSeq(stream: string): Promise<number> {
    await Promise.resolve();
    this.checkConnected();
    return this.store.stream(stream).lastSeq;
  }

  async *read(name: string, options: ReadOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const { subject = '>', fromSeq = 1, lastPerSubject = false, follow = false, signal, onCaughtUp } = options;
    let next = fromSeq;
    let isCaughtUp = false;
    // The newest entry per subject is taken when the reading starts; later entries are read one by one.
    const begunAt = this.store.stream(name).lastSeq;
    for (;;) {
      const found = this.store.stream(name);
      const rest = found.entries
        .slice(found.entries.findLastIndex((entry) => entry.seq < next) + 1)
        .filter((entry) => matchesSubject(subject, entry.subject));
      const wanted = lastPerSubject ? newestPerSubject(rest, begunAt) : rest;
      const lookedUpTo = found.lastSeq;
      let taken = 0;
      while (taken < wanted.length && !isAborted(signal) && this.isConnected()) {
        const entry = wanted[taken++] as Stored;
        next = entry.seq + 1;
        yield { ...entry, pending: wanted.length - taken };
      }
      if (isAborted(signal)) return;
      if (this.isConnected() && taken === wanted.length) {
        next = Math.max(next, lookedUpTo + 1);
        if (!isCaughtUp) onCaughtUp?.();
        isCaughtUp = true;
        if (!follow) return;
      }
      if (found.lastSeq < next || !this.isConnected()) await this.change(signal);
    }
  }

  async purge(stream: string, subject: string, { beforeSeq = Infinity } = {}): Promise<void> {
    await Promise.resolve();
    this.checkConnected();
    const found = this.store.stream(stream);
    found.entries = found.entries.filter((entry) => entry.seq >= beforeSeq || !matchesSubject(subject, entry.subject));
  }

  storage(): Promise<StorageState> {
    return Promise.resolve({ usedBytes: 0, limitBytes: undefined, streams: new Map(), bounds: new Map() });
  }

  private checkConnected(): void {
    if (!this.isConnected()) throw new StreamError('unavailable', 'not connected');
  }

  private change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        this.store.changed.delete(settle);
        signal?.removeEventListener('abort', settle);
        resolve();
      };
      this.store.changed.add(settle);
      signal?.addEventListener('abort', settle, { once: true });
    });
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function newestPerSubject(entries: readonly Stored[], untilSeq: number): Stored[] {
  const newest = new Map<string, number>();
  for (const { seq, subject } of entries) if (seq <= untilSeq) newest.set(subject, seq);
  return entries.filter((entry) => entry.seq > untilSeq || newest.get(entry.subject) === entry.seq);
}
