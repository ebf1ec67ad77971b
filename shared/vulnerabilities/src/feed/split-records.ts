import { OSV_LIMITS } from './osv-record.js';

/** The text of one record, or why there is none. */
export type RecordText =
  | { readonly kind: 'record'; readonly text: string }
  /** Skipped: it has more bytes than a record may have. */
  | { readonly kind: 'too_large' }
  /** Something that is no object stands between records, or the text ends inside one. The rest is not read. */
  | { readonly kind: 'broken'; readonly message: string };

const SPACE_OR_LIST = /[\s,[\]]/;
/** What changes the state inside a record. */
const MARKS = /["{}]/g;
const QUOTE_ENDS = /["\\]/g;

/**
 * Finds the objects in a text of JSON: one object, a list of them, or objects one after another (NDJSON). Holds at most one record and one chunk.
 */
export async function* splitRecords(
  chunks: AsyncIterable<string> | Iterable<string>,
  limit: number = OSV_LIMITS.recordBytes,
): AsyncGenerator<RecordText> {
  const state = new ObjectScanner(limit);
  for await (const chunk of chunks) {
    yield* state.push(chunk);
    if (state.broken) return;
  }
  if (state.open) yield { kind: 'broken', message: 'the text ends inside a record' };
}

class ObjectScanner {
  broken = false;
  readonly #limit: number;
  #depth = 0;
  #quoted = false;
  #escaped = false;
  #parts: string[] = [];
  #length = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get open(): boolean {
    return this.#depth > 0;
  }

  *push(chunk: string): Generator<RecordText> {
    let start = 0;
    for (let at = 0; at < chunk.length;) {
      if (this.#depth === 0) {
        while (at < chunk.length && SPACE_OR_LIST.test(chunk[at] ?? '')) at += 1;
        if (at === chunk.length) return;
        if (chunk[at] !== '{') {
          this.broken = true;
          yield { kind: 'broken', message: `"${chunk.slice(at, at + 20)}" is no record` };
          return;
        }
        this.#depth = 1;
        start = at;
        at += 1;
      } else {
        at = this.#step(chunk, at);
        if (this.#depth === 0) {
          this.#keep(chunk.slice(start, at));
          yield this.#take();
        }
      }
    }
    if (this.#depth > 0) this.#keep(chunk.slice(start));
  }

  /** Moves behind the next mark. */
  #step(chunk: string, at: number): number {
    if (this.#escaped) {
      this.#escaped = false;
      return at + 1;
    }
    const marks = this.#quoted ? QUOTE_ENDS : MARKS;
    marks.lastIndex = at;
    const mark = marks.exec(chunk);
    if (mark === null) return chunk.length;
    if (mark[0] === '\\') this.#escaped = true;
    else if (mark[0] === '"') this.#quoted = !this.#quoted;
    else this.#depth += mark[0] === '{' ? 1 : -1;
    return mark.index + 1;
  }

  #keep(text: string): void {
    this.#length += text.length;
    if (this.#length > this.#limit) this.#parts = [];
    else this.#parts.push(text);
  }

  #take(): RecordText {
    const isLarge = this.#length > this.#limit;
    const text = this.#parts.join('');
    this.#parts = [];
    this.#length = 0;
    return isLarge ? { kind: 'too_large' } : { kind: 'record', text };
  }
}
