import type { RecordSink, WaitingLook } from './record-sink.js';
import type { KernelEvent } from './kernel-event.js';

interface Known {
  readonly n: number;
  readonly at: number;
  /** Until when it may have changed while it was looked at. */
  lookedAt: number | undefined;
  isReplaced: boolean;
}

/** More processes than a machine runs; beyond it the end of the oldest is not told. */
const MAX_KNOWN = 50_000;

/** Makes records of the programs that processes start, and says which processes are to be looked at. */
export class ProcessRecords {
  readonly #sink: RecordSink;
  /** The newest program of each process. */
  readonly #known = new Map<number, Known>();
  readonly #waiting = new Map<number, Known>();

  constructor(sink: RecordSink) {
    this.#sink = sink;
  }

  take(event: Extract<KernelEvent, { kind: 'exec' | 'exit' }>): void {
    const at = Math.round(event.atNs / 1_000);
    if (event.kind === 'exec') this.#exec(event.pid, event.path, at);
    else this.#exit(event.thread, at);
  }

  /** The newest of those that nobody has looked at; the others are not looked at any more. */
  waiting(limit: number): WaitingLook[] {
    const newest = [...this.#waiting].slice(-limit);
    this.#waiting.clear();
    return newest.map(([id, known]) => ({
      ...{ n: known.n, id, at: known.at, withArguments: true },
      looked: (until) => {
        known.lookedAt = until;
        return !known.isReplaced;
      },
    }));
  }

  /** Events are missing since then: of the processes that were known nothing is known any more. */
  forget(since: number): void {
    for (const known of this.#known.values()) this.#replace(known, since);
    this.#known.clear();
    this.#waiting.clear();
  }

  #exec(pid: number, path: string, at: number): void {
    const n = this.#sink.nextRow();
    this.#sink.put({ t: 'exec', n, at, pid, path });
    const before = this.#known.get(pid);
    // Another processor's buffer was read later.
    if (before !== undefined && before.at > at) return;
    if (before !== undefined) this.#replace(before, at);
    const known: Known = { n, at, lookedAt: undefined, isReplaced: false };
    this.#known.delete(pid);
    this.#known.set(pid, known);
    this.#waiting.delete(pid);
    this.#waiting.set(pid, known);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }

  /** What was seen of the program before may have been this one. */
  #replace(before: Known, at: number): void {
    before.isReplaced = true;
    if (before.lookedAt !== undefined && at <= before.lookedAt) this.#sink.put({ t: 'unseen', n: before.n });
  }

  #exit(thread: number, at: number): void {
    const known = this.#known.get(thread);
    if (known === undefined || known.at > at) return;
    this.#sink.put({ t: 'exit', n: known.n, at });
    this.#known.delete(thread);
    this.#waiting.delete(thread);
  }
}
