import {
  StreamError,
  type AppendOptions,
  type AppendResult,
  type CatchUp,
  type Entry,
  type ReadOptions,
  type StorageState,
  type StreamDefinition,
  type StreamStore,
} from '@muster/bus';
import { matchesSubject, MemoryStreamStore, type MemoryStore } from '@muster/bus/memory';
import type { NatsConnection } from './nats-connection.js';

/** As the real client is set. */
const API_TIMEOUT_MS = 5_000;
const BATCH = 256;

type Stored = Omit<Entry, 'pending'>;

interface Fetched {
  readonly entries: readonly Stored[];
  /** Everything up to this sequence was looked at. */
  readonly upToSeq: number;
}

/** {@link StreamStore} over a simulated connection: each call is a message to the server and one back, and either may be lost. */
export class SimulatedStreams implements StreamStore {
  readonly catchingUp: ReadonlySet<CatchUp> = new Set();
  readonly #connection: NatsConnection;
  readonly #store: MemoryStore;
  /** The streams as the server has them. */
  readonly #kept: MemoryStreamStore;

  constructor(connection: NatsConnection, store: MemoryStore) {
    this.#connection = connection;
    this.#store = store;
    this.#kept = new MemoryStreamStore(store, () => true);
  }

  ensure(streams: readonly StreamDefinition[]): Promise<void> {
    return this.#ask(() => this.#kept.ensure(streams));
  }

  async append(subject: string, data: Uint8Array, options: AppendOptions = {}): Promise<AppendResult> {
    const copy = new Uint8Array(data);
    const kind = recordKind(subject);
    const connection = this.#connection;
    const asked = connection.atServer<AppendResult>((answer) => {
      if (connection.hasNoStreams) return;
      if (connection.isServerFull && options.essential !== true) return answer(FULL);
      answer(this.#store.append(subject, copy, options));
      connection.happened(`${kind} kept`);
    });
    if (asked === undefined) return unavailable(false);
    connection.happened(`${kind} sent`);
    const result = await this.#within(asked);
    return result === 'lost' || result === 'late' ? unavailable(true) : result;
  }

  last(stream: string, subject: string): Promise<Entry | undefined> {
    return this.#ask(() => this.#kept.last(stream, subject));
  }

  newestSeq(stream: string): Promise<number> {
    return this.#ask(() => this.#kept.newestSeq(stream));
  }

  async *read(name: string, options: ReadOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const { fromSeq = 1, lastPerSubject = false, follow = false, signal, onCaughtUp } = options;
    let next = fromSeq;
    let isCaughtUp = false;
    let isFirst = lastPerSubject;
    while (signal?.aborted !== true) {
      const fetched = await this.#fetch(name, options, { next, newestOnly: isFirst, wait: isCaughtUp });
      if (fetched === 'aborted') return;
      if (fetched === 'again') continue;
      const { entries, upToSeq } = fetched;
      let pending = entries.length;
      for (const entry of entries) {
        if (isAborted(signal)) return;
        next = entry.seq + 1;
        pending -= 1;
        yield { ...entry, pending };
      }
      isFirst = false;
      next = Math.max(next, upToSeq + 1);
      // As long as it reads whole batches there may be more.
      if (entries.length >= BATCH && !lastPerSubject) continue;
      if (!isCaughtUp) onCaughtUp?.();
      isCaughtUp = true;
      if (!follow) return;
    }
  }

  purge(stream: string, subject: string, options: { readonly beforeSeq?: number } = {}): Promise<void> {
    return this.#ask(() => this.#kept.purge(stream, subject, options));
  }

  storage(): Promise<StorageState> {
    return this.#ask(() => this.#kept.storage());
  }

  /** One pull: what there is, or with `wait` what comes next. */
  async #fetch(
    name: string,
    { subject = '>', signal }: ReadOptions,
    { next, newestOnly, wait }: { readonly next: number; readonly newestOnly: boolean; readonly wait: boolean },
  ): Promise<Fetched | 'again' | 'aborted'> {
    const store = this.#store;
    const look = (): Fetched => {
      const { lastSeq } = store.stream(name);
      const found = this.#entries(name).filter((entry) => entry.seq >= next && matchesSubject(subject, entry.subject));
      const entries = newestOnly ? newestPerSubject(found) : found.slice(0, BATCH);
      const isWhole = newestOnly || entries.length === found.length;
      return { entries, upToSeq: isWhole ? lastSeq : (entries.at(-1)?.seq ?? lastSeq) };
    };
    let stopWaiting: () => void = () => undefined;
    const asked = this.#connection.atServer<Fetched | StreamError>((answer) => {
      const attempt = (): boolean => {
        if (this.#connection.hasNoStreams) return false;
        try {
          const fetched = look();
          if (wait && fetched.entries.length === 0) return false;
          answer(fetched);
        } catch (error) {
          if (!(error instanceof StreamError)) throw error;
          answer(error);
        }
        return true;
      };
      if (attempt()) return;
      const changed = (): void => {
        if (attempt()) stopWaiting();
      };
      stopWaiting = () => void store.changed.delete(changed);
      store.changed.add(changed);
    });
    if (asked === undefined) return this.#reconnected(signal);
    const ended = aborted(signal);
    const result = await Promise.race([asked, ended.promise]).finally(ended.done);
    stopWaiting();
    if (result === 'aborted') return result;
    if (result === 'lost') return 'again';
    if (result instanceof StreamError) throw result;
    return result;
  }

  #entries(name: string): readonly Stored[] {
    return this.#store.stream(name).entries;
  }

  async #reconnected(signal: AbortSignal | undefined): Promise<'again' | 'aborted'> {
    const ended = aborted(signal);
    let forget: () => void = () => undefined;
    const back = new Promise<'again'>((resolve) => {
      forget = this.#connection.onChange((connected) => connected && resolve('again'));
    });
    return Promise.race([back, ended.promise]).finally(() => {
      forget();
      ended.done();
    });
  }

  async #ask<T>(run: () => Promise<T>): Promise<T> {
    const asked = this.#connection.atServer<{ readonly value: T } | { readonly error: unknown }>((answer) => {
      if (this.#connection.hasNoStreams) return;
      run().then(
        (value) => answer({ value }),
        (error: unknown) => answer({ error }),
      );
    });
    const result = asked === undefined ? 'lost' : await this.#within(asked);
    if (result === 'lost' || result === 'late') throw new StreamError('unavailable', 'nats does not answer');
    if ('error' in result) throw result.error;
    return result.value;
  }

  async #within<T>(asked: Promise<T>): Promise<T | 'late'> {
    const { clock } = this.#connection;
    let timer: ReturnType<typeof clock.setTimeout> | undefined;
    const late = new Promise<'late'>((resolve) => {
      timer = clock.setTimeout(() => resolve('late'), API_TIMEOUT_MS);
    });
    return Promise.race([asked, late]).finally(() => clock.clear(timer));
  }
}

const unavailable = (maybeStored: boolean): AppendResult => ({
  kind: 'unavailable',
  maybeStored,
  cause: new Error('nats does not answer'),
});

const FULL: AppendResult = {
  kind: 'unavailable',
  maybeStored: false,
  cause: new StreamError('storage_full', 'nats has no room'),
};

/** `muster.v1.journal.acme.x`: a journal entry. */
const recordKind = (subject: string): string => subject.split('.')[2] ?? '';

function newestPerSubject(entries: readonly Stored[]): Stored[] {
  const newest = new Map(entries.map((entry) => [entry.subject, entry.seq]));
  return entries.filter((entry) => newest.get(entry.subject) === entry.seq);
}

const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted === true;

function aborted(signal: AbortSignal | undefined): { readonly promise: Promise<'aborted'>; readonly done: () => void } {
  let tell: () => void = () => undefined;
  const promise = new Promise<'aborted'>((resolve) => {
    tell = () => resolve('aborted');
  });
  if (isAborted(signal)) tell();
  signal?.addEventListener('abort', tell, { once: true });
  return { promise, done: () => signal?.removeEventListener('abort', tell) };
}
