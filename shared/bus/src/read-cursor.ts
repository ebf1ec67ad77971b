import type { ConsumerInfo, StreamInfo } from '@nats-io/jetstream';
import { StreamError, type CatchUp, type Entry, type ReadOptions } from './stream-store.js';

/** A gap that is there each time is no accident of the server: those entries were removed while they were read. */
const MAX_GAPS = 3;

/** `ask`: the consumer has to be asked. `gap`: fewer entries came than were announced. */
type Judgement = 'complete' | 'more' | 'ask' | 'gap';

/**
 * Where a reader is, over all its consumers, and the proof that it has read what was stored at the start.
 *
 * The proof is the stream's last sequence at the start. A reader of some subjects may not meet it. Its proof is that nothing is pending, and
 * that as many entries came as were announced. Where it tells others that it has caught up, and where fewer came, the server counts again.
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
  private lastSeq: number | undefined;
  private announced = 0;
  /** The consumer picks the newest entries: entries below its last one may be missing. */
  private isSkipping = false;
  private gaps = 0;
  private readonly options: ReadOptions;

  constructor(stream: string, options: ReadOptions) {
    this.stream = stream;
    this.options = options;
  }

  /** @throws StreamError `stream_reset` */
  open(found: StreamInfo): void {
    this.created ??= found.created;
    if (this.created !== found.created) throw new StreamError('stream_reset', `stream ${this.stream} was made anew`);
    this.lastSeq ??= found.state.last_seq;
  }

  /** How many entries a new consumer has to bring. */
  announce(entries: number, isSkipping: boolean): void {
    this.announced = entries;
    this.of = this.done + entries;
    this.isSkipping = isSkipping;
  }

  get isEmpty(): boolean {
    return this.announced === 0;
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
    this.done += taken.length;
    this.of = this.done + (taken.at(-1)?.pending ?? this.of - this.done);
    return taken;
  }

  /** How many of them, which follow each other, were stored at the start: what comes after the last sequence of then is new. */
  storedAtStart(entries: readonly Entry[]): number {
    if (this.caughtUp) return 0;
    if (this.isSkipping) return entries.length;
    const last = entries.findIndex(({ seq }) => seq >= (this.lastSeq ?? 0));
    return last < 0 ? entries.length : last + 1;
  }

  /** What the last of some entries, or the word that there are none, says after `received` deliveries of this consumer. */
  judge(last: Entry | 'idle', received: number): Judgement {
    if (last === 'idle') return 'ask';
    if (!this.isSkipping && last.seq >= (this.lastSeq ?? 0)) return 'complete';
    if (last.pending > 0) return 'more';
    const isConfirmed = this.options.onCaughtUp === undefined || this.isSkipping;
    return received >= this.announced && isConfirmed ? 'complete' : 'ask';
  }

  /** What the server says of the consumer, which has brought `received` entries. */
  confirm(info: ConsumerInfo | undefined, received: number): Judgement {
    if (info === undefined || info.num_pending > 0 || info.delivered.consumer_seq > received) return 'more';
    if (!this.isSkipping || received >= this.announced || this.gaps >= MAX_GAPS) return 'complete';
    this.gaps += 1;
    this.next = undefined;
    this.done = 0;
    return 'gap';
  }
}
