import type { AppendOptions, AppendResult, Entry, ReadOptions, StreamStore } from '@muster/bus';
import type { RecordFault, RecordSigner, RecordVerifier } from '@muster/identity';
import { streamOfDecision, STREAMS } from '@muster/records';

/** A record that decides rights and has no valid signature. */
export interface UnauthenticRecord {
  readonly stream: string;
  readonly seq: number;
  readonly subject: string;
  readonly timestampMs: number;
  readonly reason: RecordFault;
  /** It was taken all the same, because records are accepted without a signature still. */
  readonly accepted: boolean;
}

export interface AuthenticStreamsOptions {
  readonly streams: StreamStore;
  readonly verifier: RecordVerifier;
  /** Only APIs have one. */
  readonly signer?: RecordSigner;
  /** `accept`: what was kept before signatures counts; so does anything that somebody forges. */
  readonly unsigned: 'accept' | 'refuse';
  /** Called for each such record as often as it is read. */
  readonly onFault: (record: UnauthenticRecord) => void;
}

const AUTHENTICATED: ReadonlySet<string> = new Set(
  [STREAMS.identities, STREAMS.operatorTokens, STREAMS.sessions].map(({ name }) => name),
);

/**
 * A {@link StreamStore} in which records that decide rights are signed when they are written, and left out when they
 * are read without a valid signature. Readers see the records without their signatures.
 */
export class AuthenticStreams implements StreamStore {
  readonly #options: AuthenticStreamsOptions;
  readonly #streams: StreamStore;

  constructor(options: AuthenticStreamsOptions) {
    this.#options = options;
    this.#streams = options.streams;
  }

  get catchingUp(): StreamStore['catchingUp'] {
    return this.#streams.catchingUp;
  }

  ensure(...args: Parameters<StreamStore['ensure']>): Promise<void> {
    return this.#streams.ensure(...args);
  }

  newestSeq(stream: string): Promise<number> {
    return this.#streams.newestSeq(stream);
  }

  purge(...args: Parameters<StreamStore['purge']>): Promise<void> {
    return this.#streams.purge(...args);
  }

  storage(): ReturnType<StreamStore['storage']> {
    return this.#streams.storage();
  }

  async append(subject: string, data: Uint8Array, options: AppendOptions = {}): Promise<AppendResult> {
    const { signer } = this.#options;
    const stream = signer === undefined ? undefined : streamOfDecision(subject);
    if (signer === undefined || stream === undefined) return this.#streams.append(subject, data, options);
    const signed = signer.sign(subject, data);
    const result = await this.#streams.append(subject, signed, options);
    if (result.kind !== 'conflict' || options.expectLastSubjectSeq !== 0) return result;
    // The caller has seen no record. One that is not believed is replaced.
    const newest = await this.#streams.last(stream, subject);
    if (newest === undefined || this.#check(stream, newest) !== undefined) return result;
    return this.#streams.append(subject, signed, { ...options, expectLastSubjectSeq: newest.seq });
  }

  async last(stream: string, subject: string): Promise<Entry | undefined> {
    const entry = await this.#streams.last(stream, subject);
    return entry === undefined ? undefined : this.#check(stream, entry);
  }

  read(stream: string, options?: ReadOptions): AsyncIterable<Entry> {
    const entries = this.#streams.read(stream, options);
    if (!AUTHENTICATED.has(stream)) return entries;
    return {
      [Symbol.asyncIterator]: () => new CheckedIterator(entries, (entry) => this.#check(stream, entry)),
    };
  }

  /** The entry as readers see it; `undefined` when it is not believed. */
  #check(stream: string, entry: Entry): Entry | undefined {
    if (streamOfDecision(entry.subject) !== stream) return entry;
    const { verifier, unsigned, onFault } = this.#options;
    const opened = verifier.open(entry.subject, entry.data);
    if (opened.ok) return { ...entry, data: opened.data };
    const accepted = unsigned === 'accept' && opened.data !== undefined;
    const { seq, subject, timestampMs } = entry;
    onFault({ stream, seq, subject, timestampMs, reason: opened.reason, accepted });
    return accepted && opened.data !== undefined ? { ...entry, data: opened.data } : undefined;
  }
}

/** No generator: a start reads some hundred thousand entries, of which few are checked. */
class CheckedIterator implements AsyncIterator<Entry, void, undefined> {
  readonly #entries: AsyncIterator<Entry, void, undefined>;
  readonly #check: (entry: Entry) => Entry | undefined;

  constructor(entries: AsyncIterable<Entry>, check: (entry: Entry) => Entry | undefined) {
    this.#entries = entries[Symbol.asyncIterator]() as AsyncIterator<Entry, void, undefined>;
    this.#check = check;
  }

  next(): Promise<IteratorResult<Entry, void>> {
    return this.#entries.next().then((result) => {
      if (result.done === true) return result;
      const value = this.#check(result.value);
      if (value === result.value) return result;
      return value === undefined ? this.next() : { done: false, value };
    });
  }

  async return(): Promise<IteratorResult<Entry, void>> {
    await this.#entries.return?.();
    return { done: true, value: undefined };
  }
}
