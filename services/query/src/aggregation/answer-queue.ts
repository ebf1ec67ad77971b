import { AnswerBlockWriter } from '@muster/records';

export interface AnswerQueueOptions {
  /** Approximate upper bound of one block for the result stream. */
  readonly blockBytes: number;
  /** Bytes that may wait for the result stream at once. */
  readonly maxQueuedBytes: number;
  /** Bytes that one query may write in total. */
  readonly maxTotalBytes: number;
}

/** A part of an answer block. */
export interface AnswerRun {
  readonly bytes: Uint8Array;
  /** How many endpoints' answers begin here, and how many of those have rows. */
  readonly answers: number;
  readonly answered: number;
  readonly rows: number;
  /** It begins with a further piece of the last answer of the run before it. */
  readonly continues: boolean;
}

/** One block for the result stream. `cut`: its last answer goes on in the next one. */
export interface TakenAnswers {
  readonly block: Uint8Array;
  readonly cut: boolean;
}

/**
 * Raw answers on their way to the result stream, as runs of the blocks that they arrived in: nothing is decoded or rebuilt, and runs
 * are copied only to join small ones. What does not fit is dropped, and {@link AnswerQueue.truncated} says so.
 */
export class AnswerQueue {
  readonly #options: AnswerQueueOptions;
  #runs: AnswerRun[] = [];
  #head = 0;
  #queuedBytes = 0;
  #queuedAnswered = 0;
  #totalBytes = 0;
  #rows = 0;
  #lost: { answers: number; why: string } | undefined;

  constructor(options: AnswerQueueOptions) {
    this.#options = options;
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** How many endpoints that answered with rows have none of them in the result stream yet. */
  get queuedAnswered(): number {
    return this.#queuedAnswered;
  }

  get rows(): number {
    return this.#rows;
  }

  get truncated(): string | undefined {
    if (this.#lost === undefined) return undefined;
    return `the rows of ${this.#lost.answers} endpoints were not kept: ${this.#lost.why}`;
  }

  /** Rows that are in the result stream already. */
  restore(rows: number, bytes: number): void {
    this.#rows += rows;
    this.#totalBytes += bytes;
  }

  addRun(run: AnswerRun): void {
    const { maxQueuedBytes, maxTotalBytes } = this.#options;
    const { length } = run.bytes;
    if (this.#totalBytes + length > maxTotalBytes) return this.#drop(run.answers, 'the answer as a whole is too large');
    if (this.#queuedBytes + length > maxQueuedBytes)
      return this.#drop(run.answers, 'they came faster than they could be written');
    this.#runs.push(isSmallPart(run.bytes) ? { ...run, bytes: run.bytes.slice() } : run);
    this.#queuedBytes += length;
    this.#queuedAnswered += run.answered;
    this.#totalBytes += length;
    this.#rows += run.rows;
  }

  /** Adds one answer that is in no block. */
  add(num: number, bytes: Uint8Array, rows: number): void {
    const writer = new AnswerBlockWriter();
    writer.add(num, bytes);
    this.addRun({ bytes: writer.bytes(), answers: 1, answered: bytes.length > 0 ? 1 : 0, rows, continues: false });
  }

  /** Removes and returns the next runs as one block; `undefined` when there are none. */
  take(): TakenAnswers | undefined {
    const first = this.#runs[this.#head];
    if (first === undefined) return undefined;
    let end = this.#head + 1;
    let { length } = first.bytes;
    for (let next = this.#runs[end]; next !== undefined; next = this.#runs[end]) {
      if (length + next.bytes.length > this.#options.blockBytes) break;
      length += next.bytes.length;
      end += 1;
    }
    const taken = this.#runs.slice(this.#head, end);
    const cut = this.#runs[end]?.continues === true;
    const block =
      taken.length === 1
        ? first.bytes
        : Buffer.concat(
            taken.map((run) => run.bytes),
            length,
          );
    for (const run of taken) this.#queuedAnswered -= run.answered;
    this.#head = end;
    if (this.#head * 2 >= this.#runs.length) {
      this.#runs = this.#runs.slice(this.#head);
      this.#head = 0;
    }
    this.#queuedBytes -= length;
    return { block, cut };
  }

  #drop(answers: number, why: string): void {
    this.#lost = { answers: (this.#lost?.answers ?? 0) + answers, why: this.#lost?.why ?? why };
  }
}

/** A view keeps the whole message in memory, or what came with it from the socket. */
const isSmallPart = (bytes: Uint8Array): boolean => 2 * bytes.length < bytes.buffer.byteLength;
