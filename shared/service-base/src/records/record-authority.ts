import type { StreamStore } from '@muster/bus';
import { publicJwks, RecordSigner, RecordVerifier, type PrivateJwks, type PublicJwks } from '@muster/identity';
import type { LogFields, Logger, Metrics } from '@muster/runtime';
import { AuthenticStreams, type UnauthenticRecord } from './authentic-streams.js';

export interface RecordKeys {
  readonly publicKeys: PublicJwks | undefined;
  /** Only APIs have them. Theirs are trusted too. */
  readonly privateKeys: PrivateJwks | undefined;
}

export interface RecordAuthorityOptions extends RecordKeys {
  readonly unsigned: 'accept' | 'refuse';
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Records that are remembered as told; with more of them, all are told anew. */
const MAX_TOLD = 10_000;

/** Who is told of records that are left out, besides the log and the metrics. */
export type IgnoredRecordListener = (record: UnauthenticRecord) => void;

/** What of the kept records a service believes: see {@link AuthenticStreams}. Without keys all of them, as versions before did. */
export class RecordAuthority {
  readonly #options: RecordAuthorityOptions;
  readonly #listeners: IgnoredRecordListener[] = [];
  /** Each is told once: it is read again after every loss of the connection. */
  readonly #told = new Set<string>();
  #hasWarned = false;
  #verifier: RecordVerifier | undefined;
  #signer: RecordSigner | undefined;

  constructor(options: RecordAuthorityOptions) {
    this.#options = options;
  }

  onIgnored(listener: IgnoredRecordListener): void {
    this.#listeners.push(listener);
  }

  streams(streams: StreamStore): StreamStore {
    const { privateKeys, unsigned, logger, metrics } = this.#options;
    const keys = verifyingKeys(this.#options);
    if (keys.length === 0) {
      logger.warn('records of tokens, revocations, labels and modes are not authenticated', {
        advice: 'set MUSTER_RECORD_PUBLIC_KEYS',
      });
      return streams;
    }
    const counter = metrics.counter({
      name: `muster_${metrics.service}_unauthentic_records_total`,
      help: 'Records that decide rights and have no valid signature, by what became of them.',
      labels: ['result'],
      initial: [{ result: 'ignored' }, { result: 'accepted' }],
    });
    this.#verifier = new RecordVerifier(keys);
    if (privateKeys !== undefined) this.#signer = new RecordSigner(privateKeys);
    return new AuthenticStreams({
      ...{ streams, unsigned, verifier: this.#verifier },
      ...(this.#signer === undefined ? {} : { signer: this.#signer }),
      onFault: (record) => {
        const key = `${record.stream} ${record.seq}`;
        if (this.#told.has(key)) return;
        if (this.#told.size >= MAX_TOLD) this.#told.clear();
        this.#told.add(key);
        counter.inc({ result: record.accepted ? 'accepted' : 'ignored' });
        if (record.accepted) this.#warnOnce(record);
        else this.#ignored(record);
      },
    });
  }

  /**
   * Believes these keys, and no others, for what is read from now on; the first private one signs. What was read before stays as it was
   * judged then. Throws a `TypeError` for an invalid key, and goes on with those before.
   */
  renew(keys: RecordKeys): LogFields {
    const verifying = verifyingKeys(keys);
    this.#verifier?.renew(verifying);
    if (keys.privateKeys !== undefined) this.#signer?.renew(keys.privateKeys);
    const signs = keys.privateKeys?.keys[0]?.kid;
    return { ...(signs === undefined ? {} : { signs }), verifies: verifying.map(({ kid }) => kid) };
  }

  #warnOnce(record: UnauthenticRecord): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    const advice = 'sign them once, then set MUSTER_UNSIGNED_RECORDS=refuse';
    this.#options.logger.warn('records without a valid signature are accepted', { ...record, advice });
  }

  #ignored(record: UnauthenticRecord): void {
    this.#options.logger.error('a record without a valid signature is ignored', { ...record });
    for (const listener of this.#listeners) listener(record);
  }
}

function verifyingKeys({ publicKeys, privateKeys }: RecordKeys): PublicJwks['keys'] {
  return [...(publicKeys?.keys ?? []), ...(privateKeys === undefined ? [] : publicJwks(privateKeys).keys)];
}
