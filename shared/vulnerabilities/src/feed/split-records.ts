import { OSV_LIMITS } from './osv-record.js';

/** The text of one record, or why there is none. */
export type RecordText =
  | { readonly kind: 'record'; readonly text: string }
  /** Skipped: it has more bytes than a record may have. */
  | { readonly kind: 'too_large' }
  /** Skipped: a null, number or other value of JSON that is no object. The message has its position. */
  | { readonly kind: 'no_object'; readonly message: string }
  /** Something that is no JSON stands between records, or the text ends inside one. The rest is not read. */
  | { readonly kind: 'broken'; readonly message: string };

const SPACE_OR_LIST = /[\s,[\]]/;
/** What changes the state inside a record. */
const MARKS = /["{}]/g;
const QUOTE_ENDS = /["\\]/g;
const VALUE_START = /["\-0-9tfn]/;
const VALUE_ENDS = /[\s,[\]{}"]/g;
const PLAIN_VALUE = /^(?:null|true|false|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
/** What is kept of a value that is no object. */
const VALUE_CHARS = 40;
const SHOWN_CHARS = 20;

/**
 * Finds the objects in a text of JSON: one object, a list of them, or objects one after another (NDJSON); other values
 * between them are told. Holds at most one record and one chunk.
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
  yield* state.end();
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
  /** Of records and other values, the one that is read included. */
  #position = 0;
  /** The start of a value that is no object, while it is read. */
  #value: string | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get open(): boolean {
    return this.#depth > 0 || this.#value !== undefined;
  }

  *push(chunk: string): Generator<RecordText> {
    let start = 0;
    for (let at = 0; at < chunk.length;) {
      if (this.#value !== undefined) {
        at = yield* this.#stepValue(chunk, at);
        if (this.broken) return;
      } else if (this.#depth === 0) {
        while (at < chunk.length && SPACE_OR_LIST.test(chunk[at] ?? '')) at += 1;
        if (at === chunk.length) return;
        this.#position += 1;
        if (VALUE_START.test(chunk[at] ?? '')) {
          this.#value = '';
          if (chunk[at] !== '"') continue;
          [this.#value, this.#quoted] = ['"', true];
          at += 1;
          continue;
        }
        if (chunk[at] !== '{') {
          yield this.#break(chunk.slice(at, at + SHOWN_CHARS));
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

  /** What the end of the text ends. */
  *end(): Generator<RecordText> {
    if (this.#value !== undefined && !this.#quoted) yield this.#endValue();
  }

  /** Moves behind what the chunk has of a value that is no object. */
  *#stepValue(chunk: string, at: number): Generator<RecordText, number> {
    if (this.#quoted) {
      const to = this.#step(chunk, at);
      this.#keepValue(chunk.slice(at, to));
      if (!this.#quoted) yield this.#endValue();
      return to;
    }
    VALUE_ENDS.lastIndex = at;
    const to = VALUE_ENDS.exec(chunk)?.index ?? chunk.length;
    this.#keepValue(chunk.slice(at, to));
    if (to < chunk.length) yield this.#endValue();
    return to;
  }

  #keepValue(text: string): void {
    this.#value = ((this.#value ?? '') + text.slice(0, VALUE_CHARS)).slice(0, VALUE_CHARS);
  }

  #endValue(): RecordText {
    const value = this.#value ?? '';
    this.#value = undefined;
    if (!value.startsWith('"') && !PLAIN_VALUE.test(value)) return this.#break(value);
    const shown = value.length > SHOWN_CHARS ? `${value.slice(0, SHOWN_CHARS)}…` : value;
    return { kind: 'no_object', message: `record ${this.#position}: ${shown} is no object` };
  }

  #break(text: string): RecordText {
    this.broken = true;
    return { kind: 'broken', message: `"${text.slice(0, SHOWN_CHARS)}" is no record` };
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
