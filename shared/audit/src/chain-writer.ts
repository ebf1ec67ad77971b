import type { StreamStore } from '@muster/bus';
import type { OrgId } from '@muster/protocol';
import { auditHash, encodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import { fullJitter, sleep, type Clock } from '@muster/runtime';

export interface ChainWriterOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly org: OrgId;
  readonly retryForMs: number;
  /** What is not kept when it is aborted is given up. */
  readonly stopping: AbortSignal;
  /** Told of every record once. */
  readonly settled: (record: AuditRecord, lost: Error | undefined) => void;
}

interface Waiting {
  readonly record: AuditRecord;
  readonly sinceMs: number;
}

/** The newest record of the chain, as far as this writer knows. */
interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** After so many records in a row a writer rests a moment, so that another one which waits for its turn gets it. */
const RUN = 200;
const REST_MS = 10;
const CONFLICT_WAIT = { baseMs: 2, capMs: 10 };
const OUTAGE_WAIT = { baseMs: 100, capMs: 2_000 };

/**
 * One org's chain as this process writes it. Records go out one after another: the next one's hash needs the one before it to be where it
 * is said to be. They cannot be sent ahead with guessed sequences: where another writer takes the guessed place, the one after the refused
 * record would be accepted behind a record that it does not name.
 *
 *     idle ──add──▶ append ──kept──▶ next, or idle
 *                     │  ▲
 *         conflict,   ▼  │ head known
 *         outage    wait and read the newest record
 */
export class ChainWriter {
  readonly #options: ChainWriterOptions;
  readonly #subject: string;
  readonly #queue: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #head: Head | undefined;

  constructor(options: ChainWriterOptions) {
    this.#options = options;
    this.#subject = STREAM_SUBJECTS.audit(options.org);
  }

  add(record: AuditRecord): void {
    this.#queue.push({ record, sinceMs: this.#options.clock.monotonic() });
    this.#writing ??= this.#write();
  }

  /** Resolves when what was added before is settled. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { clock, settled, stopping, retryForMs } = this.#options;
    for (let run = 1; ; run += 1) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) break;
      settled(waiting.record, await this.#keep(waiting.record, waiting.sinceMs + retryForMs));
      if (run % RUN === 0) await sleep(clock, REST_MS, stopping);
    }
    // In the same turn as the look at the empty queue: what is added afterwards starts the next writing.
    this.#writing = undefined;
  }

  /** Tries until the record is kept or its time is over; then, why it could not be. */
  async #keep(record: AuditRecord, untilMs: number): Promise<Error | undefined> {
    const { clock, stopping } = this.#options;
    const [conflicts, outages] = [fullJitter(CONFLICT_WAIT), fullJitter(OUTAGE_WAIT)];
    const trial: Trial = { record, mayBeStored: false };
    while (!stopping.aborted) {
      const failed = await this.#try(trial).catch(asError);
      if (failed === undefined) return undefined;
      if (clock.monotonic() >= untilMs) return this.#giveUp(failed);
      await sleep(clock, (failed === 'conflict' ? conflicts : outages).next(), stopping);
    }
    return this.#giveUp(new Error('the process stopped before it was kept'));
  }

  async #try(trial: Trial): Promise<undefined | 'conflict' | Error> {
    const head = (this.#head ??= await this.#readHead());
    const data = encodeRecord({ ...trial.record, prev: head.hash });
    const result = await this.#options.streams.append(this.#subject, data, { expectLastSubjectSeq: head.seq });
    switch (result.kind) {
      case 'appended':
        this.#head = { seq: result.seq, hash: auditHash(data) };
        return undefined;
      case 'conflict': {
        // What took the place may be this very record, whose acknowledgement was lost: at any later time, unlike a message id, this tells.
        const isKept = trial.mayBeStored && (await this.#follows(head, data));
        trial.mayBeStored = false;
        this.#head = undefined;
        return isKept ? undefined : 'conflict';
      }
      case 'unavailable':
        trial.mayBeStored ||= result.maybeStored;
        return result.cause;
    }
  }

  async #readHead(): Promise<Head> {
    const last = await this.#options.streams.last(STREAMS.audit.name, this.#subject);
    return last === undefined ? { seq: 0, hash: '' } : { seq: last.seq, hash: auditHash(last.data) };
  }

  /** Whether the record after `head` is this one. */
  async #follows(head: Head, data: Uint8Array): Promise<boolean> {
    const rest = this.#options.streams.read(STREAMS.audit.name, {
      subject: this.#subject,
      fromSeq: head.seq + 1,
      batch: 1,
    });
    for await (const entry of rest) return Buffer.compare(entry.data, data) === 0;
    return false;
  }

  /** It may be stored all the same, so where the chain ends is not known any more. */
  #giveUp(failed: 'conflict' | Error): Error {
    this.#head = undefined;
    return failed === 'conflict' ? new Error('other writers were faster all the time') : failed;
  }
}

interface Trial {
  readonly record: AuditRecord;
  mayBeStored: boolean;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
