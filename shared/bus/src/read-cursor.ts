import type { StreamInfo } from '@nats-io/jetstream';
import type { Idle } from './nats-pull.js';
import { StreamError, type CatchUp, type Entry, type ReadOptions } from './stream-store.js';

/** Entries may be removed while they are read. Where so many consumers in a row bring fewer than they had, it is not known what lacks. */
const MAX_GAPS = 3;
/** A reader whose consumers so often in a row bring nothing more has stalled. One that gets further may wait as long as it takes. */
const MAX_STALLS = 3;
/** A server that so often in a row has nothing to send, and has not looked as far as it has to, is given up with its consumer. */
const MAX_IDLE = 10;

/** `gap`: this consumer does not bring what is there; a new one may. */
type Judgement = 'complete' | 'more' | 'gap';

/**
 * Where a reader is, over all its consumers, and the proof that it has read what was stored at the start.
 *
 * The proof is a sequence: that of the newest entry, among those that are wanted, at the start. It was read, or the
 * server has looked further and says so. The server's counts of what is pending prove nothing: nats-server 2.9 counts
 * too few for a filter with wildcards that begins within the stream. They tell people how far a reader is, and a
 * consumer that picks entries whether it left some out.
 */
export class ReadCursor implements CatchUp {
  readonly stream: string;
  done = 0;
  of = 0;
  caughtUp = false;
  /** The first sequence that was not yielded; undefined before the first entry. */
  next: number | undefined;
  /** When the stream was created: another time means other entries under the same sequences. */
  private created: string | undefined;
  /** Everything up to this sequence is to be read, or passed. */
  private goal = Number.POSITIVE_INFINITY;
  private announced = 0;
  /** The consumer picks the newest entries: entries below its last one may be missing. */
  private isSkipping = false;
  private gaps = 0;
  private stalls = 0;
  private idle = 0;
  /** How far the server has looked for this consumer, and for the one that got furthest. */
  private lookedUpTo = 0;
  private furthest = 0;
  private readonly options: ReadOptions;

  constructor(stream: string, options: ReadOptions) {
    this.stream = stream;
    this.options = options;
  }

  /** Where the next consumer begins. */
  get from(): number {
    return this.next ?? this.options.fromSeq ?? 1;
  }

  /**
   * Before each consumer. `newestSeq`: of the entries that are wanted, the newest one's; 0 when there is none.
   * @throws StreamError `stream_reset`
   */
  open(found: StreamInfo, newestSeq: number): void {
    this.created ??= found.created;
    if (this.created !== found.created) throw new StreamError('stream_reset', `stream ${this.stream} was made anew`);
    // That entry may have been removed since: then there is less to read.
    this.goal = Math.min(this.goal, newestSeq);
  }

  /** The server counts so many entries that a new consumer has to bring, of a stream that ends with `lastSeq`. */
  announce(entries: number, isSkipping: boolean, lastSeq: number): void {
    this.announced = entries;
    this.of = this.done + (Number.isSafeInteger(entries) ? entries : 0);
    this.isSkipping = isSkipping;
    this.idle = 0;
    this.lookedUpTo = 0;
    // The server finds no newest one, and counts some: then all that is there has to be passed.
    if (!this.hasPassed && this.goal < this.from && entries > 0) this.goal = lastSeq;
  }

  /** A new consumer has nothing to bring: all was read before, or there is nothing, by the server's index and by its count. */
  get isEmpty(): boolean {
    return this.goal < this.from && (this.hasPassed || this.announced === 0);
  }

  private get hasPassed(): boolean {
    return this.next !== undefined && this.next > this.goal;
  }

  /** All entries that were stored at the start were yielded. Returns whether that ends the reading. */
  catchUp(): boolean {
    if (!this.caughtUp) {
      this.caughtUp = true;
      this.options.onCaughtUp?.();
    }
    return this.options.follow !== true;
  }

  /** Those of them that are to be yielded: a consumer of the newest entries repeats one when the one before it was removed. */
  take(arrived: readonly Entry[]): readonly Entry[] {
    const taken: Entry[] = [];
    for (const entry of arrived) {
      if (entry.seq < (this.next ?? 0)) continue;
      this.next = entry.seq + 1;
      taken.push(entry);
    }
    this.idle = 0;
    this.gotTo(taken.at(-1)?.seq ?? 0);
    this.done += taken.length;
    this.of = this.done + (taken.at(-1)?.pending ?? this.of - this.done);
    return taken;
  }

  /** How many of them, which follow each other, were stored at the start: what comes after the goal is new. */
  storedAtStart(entries: readonly Entry[]): number {
    if (this.caughtUp) return 0;
    if (this.isSkipping) return entries.length;
    const last = entries.findIndex(({ seq }) => seq >= this.goal);
    return last < 0 ? entries.length : last + 1;
  }

  /**
   * What the last of some entries says after `received` deliveries of this consumer.
   * @throws StreamError `stalled` when one consumer after the other brings fewer of the newest entries than it had.
   */
  judge(last: Entry, received: number): Judgement {
    if (last.seq < this.goal) return 'more';
    return this.isSkipping && last.pending > 0 && received < this.announced ? 'more' : this.passed(received);
  }

  /**
   * What it says that the server has nothing to send.
   * @throws StreamError `stalled` when one consumer after the other ends before the goal, and none gets further.
   */
  judgeIdle({ upToSeq }: Idle, received: number): Judgement {
    if (upToSeq >= this.goal) return this.passed(received);
    if (upToSeq > this.lookedUpTo) this.idle = 0;
    this.lookedUpTo = Math.max(this.lookedUpTo, upToSeq);
    this.gotTo(upToSeq);
    this.idle += 1;
    // A replica of the stream may be behind the one that knows the newest entry.
    if (this.idle < MAX_IDLE) return 'more';
    if (this.stalls >= MAX_STALLS) throw new StreamError('stalled', `stream ${this.stream} was not read to its end`);
    this.stalls += 1;
    return 'gap';
  }

  private gotTo(seq: number): void {
    if (seq <= this.furthest) return;
    this.furthest = seq;
    this.stalls = 0;
  }

  /** The consumer has passed the goal. One that picks entries has to have brought as many as there were. */
  private passed(received: number): Judgement {
    if (!this.isSkipping || received >= this.announced) return 'complete';
    if (this.gaps >= MAX_GAPS) {
      const brought = `${received} of ${this.announced}`;
      throw new StreamError(
        'stalled',
        `stream ${this.stream} brought ${brought} newest entries, ${MAX_GAPS} times again`,
      );
    }
    this.gaps += 1;
    this.next = undefined;
    this.done = 0;
    return 'gap';
  }
}
