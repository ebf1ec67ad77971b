import type { RecordSink } from './record-sink.js';

interface Look {
  readonly n: number;
  readonly thread: number;
  readonly at: number;
  /** Until when the program may have changed while it was looked at. */
  lookedAt: number | undefined;
  isReplaced: boolean;
}

/** Of ten seconds at least: fifty are looked at four times a second. */
const MAX_LOOKS = 2_000;

/** The looks at threads for rows of what they did. What is seen of a program that a thread started after it is withdrawn. */
export class ThreadLooks {
  readonly #sink: RecordSink;
  /** The oldest first, as in each list of `#byThread`. */
  readonly #all: Look[] = [];
  readonly #byThread = new Map<number, Look[]>();

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  /** A thread that is going to be looked at for the row `n`. Returns what is to be called afterwards, as `WaitingLook.looked`. */
  add(n: number, thread: number, at: number): (until: number) => boolean {
    const look: Look = { n, thread, at, lookedAt: undefined, isReplaced: false };
    this.#all.push(look);
    const own = this.#byThread.get(thread);
    if (own === undefined) this.#byThread.set(thread, [look]);
    else own.push(look);
    if (this.#all.length > MAX_LOOKS) this.#dropOldest();
    return (until) => {
      look.lookedAt = until;
      return !look.isReplaced;
    };
  }

  /** The thread has started another program. */
  started(thread: number, at: number): void {
    const looks = this.#byThread.get(thread) ?? [];
    for (const look of looks.filter((one) => one.at <= at)) this.#replace(look, at);
  }

  /** Events are missing since then, and such a start may be among them. */
  forget(since: number): void {
    for (const look of this.#all.splice(0)) this.#replace(look, since);
    this.#byThread.clear();
  }

  #replace(look: Look, at: number): void {
    // Another processor's buffer may be read later, and have a start from before the look.
    if (look.isReplaced || (look.lookedAt !== undefined && at > look.lookedAt)) return;
    look.isReplaced = true;
    if (look.lookedAt !== undefined) this.#sink.put({ t: 'unseen', n: look.n });
  }

  #dropOldest(): void {
    const oldest = this.#all.shift();
    const own = oldest && this.#byThread.get(oldest.thread);
    if (oldest === undefined || own === undefined) return;
    own.shift();
    if (own.length === 0) this.#byThread.delete(oldest.thread);
  }
}
