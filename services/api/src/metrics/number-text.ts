const COMMA = 0x2c;
const ZERO = 0x30;
const MINUS = 0x2d;
/** Of one number: 2^53 has 16 digits. */
const ROOM = 32;
const MOST_DIGITS = 1e9;

/** Writes JSON of many small integers: `JSON.stringify` and strings that are added up take ten times as long. */
export class NumberText {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  constructor(head: string) {
    this.text(head);
  }

  /** ASCII. */
  text(text: string): void {
    this.#room(text.length);
    if (text === ',') this.#bytes[this.#length++] = COMMA;
    else this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  /** An integer; `NaN` is null. */
  number(value: number): void {
    this.#room(ROOM);
    if (value >= 0 && value < 10) {
      this.#bytes[this.#length++] = ZERO + value;
      return;
    }
    if (!(Math.abs(value) < MOST_DIGITS)) return this.text(Number.isNaN(value) ? 'null' : String(value));
    let rest = value;
    if (rest < 0) {
      this.#bytes[this.#length++] = MINUS;
      rest = -rest;
    }
    let digits = 1;
    for (let most = 10; rest >= most; most *= 10) digits += 1;
    for (let at = this.#length + digits - 1; at >= this.#length; at -= 1) {
      this.#bytes[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#length += digits;
  }

  finish(): string {
    return this.#bytes.toString('latin1', 0, this.#length);
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + bytes);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
