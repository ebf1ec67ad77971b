const COMMA = 0x2c;
const ZERO = 0x30;
const MINUS = 0x2d;
/** Of one number with its comma: 2^53 has 16 digits. */
const ROOM = 20;
/** Smaller ones are computed with as integers of 32 bits. */
const MOST = 1e9;

/**
 * Writes JSON of many small integers: `JSON.stringify` and strings that are added up take ten times as long. One for
 * many texts: what grows while one is written is not garbage afterwards.
 */
export class NumberText {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /** ASCII. */
  text(text: string): void {
    this.#room(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  /** Integers from one place to before another, with commas between them; `NaN` is null. */
  numbers(numbers: Float64Array, from: number, to: number): void {
    this.#room((to - from) * ROOM);
    const bytes = this.#bytes;
    let at = this.#length;
    for (let i = from; i < to; i += 1) {
      if (i > from) bytes[at++] = COMMA;
      const value = numbers[i] as number;
      if (value >= 0 && value < 10) bytes[at++] = ZERO + value;
      else if (value > -MOST && value < MOST) at = writeInteger(bytes, at, value);
      else at += bytes.write(Number.isNaN(value) ? 'null' : String(value), at, 'latin1');
    }
    this.#length = at;
  }

  /** A copy of all of it, as bytes; the next text begins. */
  finish(): Buffer {
    const text = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return text;
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + bytes);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Returns where it ends. */
function writeInteger(bytes: Buffer, start: number, value: number): number {
  let from = start;
  let rest = value | 0;
  if (rest < 0) {
    bytes[from++] = MINUS;
    rest = -rest;
  }
  let end = from + 1;
  for (let most = 10; rest >= most; most *= 10) end += 1;
  for (let at = end - 1; at >= from; at -= 1) {
    const tenth = (rest / 10) | 0;
    bytes[at] = ZERO + rest - 10 * tenth;
    rest = tenth;
  }
  return end;
}
