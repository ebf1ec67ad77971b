import { isStorageFull, type StreamStore } from '@muster/bus';
import type { OrgId } from '@muster/protocol';
import {
  auditHash,
  decodeRecord,
  encodeRecord,
  journalPosition,
  STREAM_SUBJECTS,
  STREAMS,
  type AuditRecord,
  type JournalPosition,
} from '@muster/records';
import { JournalMark } from './journal-mark.js';
import { fullJitter, sleep, type Clock } from '@muster/runtime';

export interface ChainWriterOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly org: OrgId;
  readonly retryForMs: number;
  /** When it is aborted, pending records are given up. */
  readonly stopping: AbortSignal;
}

/** Called once per record; `lost` is why it could not be stored. */
export type Settled = (record: AuditRecord, lost: Error | undefined) => void;

interface Waiting {
  readonly record: AuditRecord;
  readonly settled: Settled;
  readonly essential: boolean;
  readonly sinceMs: number;
}

/** The newest record of the chain, as far as this writer knows. */
interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** After this many records in a row a writer pauses, so that another one gets its turn. */
const RUN = 200;
const REST_MS = 10;
const CONFLICT_WAIT = { baseMs: 2, capMs: 10 };
const OUTAGE_WAIT = { baseMs: 100, capMs: 2_000 };

/**
 * Appends the records of one org, one after another: each record names the hash of the one before it. They cannot be pipelined with
 * guessed sequences. If another writer took a guessed sequence, the record after the refused one would be accepted behind a record that
 * it does not name.
 *
 *     idle ──add──▶ append ─stored─▶ next, or idle
 *                     │  ▲
 *         conflict,   ▼  │ head known
 *         outage    wait and read the newest record
 */
export class ChainWriter {
  readonly #options: ChainWriterOptions;
  readonly #subject: string;
  readonly #queue: Waiting[] = [];
  /** The newest record of the chain that was made from the journal. */
  readonly mark: JournalMark;
  #writing: Promise<void> | undefined;
  #head: Head | undefined;
  /** The head before another writer was faster. */
  #before: Head | undefined;

  constructor(options: ChainWriterOptions) {
    this.#options = options;
    this.#subject = STREAM_SUBJECTS.audit(options.org);
    this.mark = new JournalMark(options.streams, this.#subject);
  }

  /**
   * A record of a journal entry at or before the mark is in the chain already, and is not appended again. What is not
   * `essential` uses nothing of the storage's reserve, and is given up at once where there is no other room: what comes
   * after it must not wait.
   */
  add(record: AuditRecord, settled: Settled, { essential }: { readonly essential: boolean }): void {
    this.#queue.push({ record, settled, essential, sinceMs: this.#options.clock.monotonic() });
    this.#writing ??= this.#write();
  }

  /** Resolves when what was added before is settled. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    const { clock, stopping, retryForMs } = this.#options;
    for (let run = 1; ; run += 1) {
      const waiting = this.#queue.shift();
      if (waiting === undefined) break;
      waiting.settled(waiting.record, await this.#store(waiting, waiting.sinceMs + retryForMs));
      if (run % RUN === 0) await sleep(clock, REST_MS, stopping);
    }
    // In the same turn as the check of the queue: a record that is added afterwards starts a new run.
    this.#writing = undefined;
  }

  /** Tries until the record is stored or its time is over. Returns why it could not be stored. */
  async #store({ record, essential }: Waiting, untilMs: number): Promise<Error | undefined> {
    const { clock, stopping } = this.#options;
    const [conflicts, outages] = [fullJitter(CONFLICT_WAIT), fullJitter(OUTAGE_WAIT)];
    const attempt: Attempt = { record, essential, mayBeStored: false };
    const position = journalPosition(record);
    while (!stopping.aborted) {
      const failed = await this.#try(attempt, position).catch(asError);
      if (failed === undefined) return undefined;
      if (clock.monotonic() >= untilMs || (!essential && isStorageFull(failed))) return this.#giveUp(failed);
      await sleep(clock, (failed === 'conflict' ? conflicts : outages).next(), stopping);
    }
    return this.#giveUp(new Error('the process stopped before it was stored'));
  }

  async #try(attempt: Attempt, position?: JournalPosition): Promise<undefined | 'conflict' | Error> {
    const head = (this.#head ??= await this.#readHead());
    if (position !== undefined && (await this.mark.isPast(position, head.seq))) return undefined;
    const data = encodeRecord({ ...attempt.record, prev: head.hash });
    const result = await this.#options.streams.append(this.#subject, data, {
      expectLastSubjectSeq: head.seq,
      ...(attempt.essential ? { essential: true } : {}),
    });
    switch (result.kind) {
      case 'appended':
        this.#head = { seq: result.seq, hash: auditHash(data) };
        this.mark.appended(head.seq, result.seq, position);
        return undefined;
      case 'conflict': {
        // The next record may be this one, whose acknowledgement was lost. Unlike a message id, this check works at any later time.
        const isStored = attempt.mayBeStored && (await this.#follows(head, data));
        attempt.mayBeStored = false;
        [this.#before, this.#head] = [head, undefined];
        return isStored ? undefined : 'conflict';
      }
      case 'unavailable':
        attempt.mayBeStored ||= result.maybeStored;
        return result.cause;
    }
  }

  async #readHead(): Promise<Head> {
    const last = await this.#options.streams.last(STREAMS.audit.name, this.#subject);
    if (last === undefined) return { seq: 0, hash: '' };
    const before = this.#before;
    const record = decodeRecord<AuditRecord>(last.data);
    // Mostly one record came between: then the mark need not read it again.
    if (before !== undefined && record.prev === before.hash) {
      this.mark.appended(before.seq, last.seq, journalPosition(record));
    }
    return { seq: last.seq, hash: auditHash(last.data) };
  }

  /** Whether the record after `head` has these bytes. */
  async #follows(head: Head, data: Uint8Array): Promise<boolean> {
    const rest = this.#options.streams.read(STREAMS.audit.name, {
      subject: this.#subject,
      fromSeq: head.seq + 1,
      batch: 1,
    });
    for await (const entry of rest) return Buffer.compare(entry.data, data) === 0;
    return false;
  }

  /** The record may be stored all the same, so the head is unknown now. */
  #giveUp(failed: 'conflict' | Error): Error {
    this.#head = undefined;
    return failed === 'conflict' ? new Error('other writers were always faster') : failed;
  }
}

interface Attempt {
  readonly record: AuditRecord;
  readonly essential: boolean;
  mayBeStored: boolean;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
