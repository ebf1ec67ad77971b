const NEWLINE = 10;
const SPACE = 32;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

/** Reads the numbers and words of a file of the kernel from its bytes, line by line, without making a string of each. */
export class TextScanner {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** The next word of this line as Latin-1, which keeps every byte; empty at the end of the line. */
  word(): string {
    this.#skipBlanks();
    const from = this.#at;
    while (this.#at < this.#bytes.length && (this.#bytes[this.#at] as number) > SPACE) this.#at += 1;
    return this.#bytes.toString('latin1', from, this.#at);
  }

  /** The part of this line before `end`, without blanks around it; `undefined` when the line does not have it. */
  until(end: string): string | undefined {
    this.#skipBlanks();
    const found = this.#bytes.indexOf(end, this.#at, 'latin1');
    if (found === -1 || found > this.#lineEnd()) return undefined;
    const part = this.#bytes.toString('latin1', this.#at, found).trimEnd();
    this.#at = found + end.length;
    return part;
  }

  /** The next word of this line as a number; `NaN` when there is none or it is no integer. The word is passed over in any case. */
  number(): number {
    this.#skipBlanks();
    const bytes = this.#bytes;
    const isNegative = bytes[this.#at] === MINUS;
    if (isNegative) this.#at += 1;
    let value = 0;
    let digits = 0;
    for (; this.#at < bytes.length; this.#at += 1, digits += 1) {
      const byte = bytes[this.#at] as number;
      if (byte < ZERO || byte > NINE) break;
      value = value * 10 + byte - ZERO;
    }
    if (this.#at < bytes.length && (bytes[this.#at] as number) > SPACE) {
      this.word();
      return Number.NaN;
    }
    if (digits === 0) return Number.NaN;
    return isNegative ? -value : value;
  }

  /** Passes over so many words of this line. */
  skip(words: number): void {
    for (let i = 0; i < words; i += 1) {
      this.#skipBlanks();
      while (this.#at < this.#bytes.length && (this.#bytes[this.#at] as number) > SPACE) this.#at += 1;
    }
  }

  nextLine(): void {
    this.#at = this.#lineEnd() + 1;
  }

  #lineEnd(): number {
    const end = this.#bytes.indexOf(NEWLINE, this.#at);
    return end === -1 ? this.#bytes.length : end;
  }

  #skipBlanks(): void {
    const bytes = this.#bytes;
    for (; this.#at < bytes.length; this.#at += 1) {
      const byte = bytes[this.#at] as number;
      if (byte > SPACE || byte === NEWLINE) return;
    }
  }
}
