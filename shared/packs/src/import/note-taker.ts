import { type Check, PACK_LIMITS, REFERENCE } from '../format/pack-schema.js';
import { type ImportNote, lineFrom, textFrom } from './imported.js';

type References = NonNullable<Check['references']>;

/** Takes values of one check over, and notes what it has to leave out of them. */
export class NoteTaker {
  readonly #subject: string;
  readonly #notes: ImportNote[];

  /** `subject`: of the notes, the id of the check or the name of the file. */
  constructor(subject: string, notes: ImportNote[]) {
    this.#subject = subject;
    this.#notes = notes;
  }

  note(message: string): void {
    this.#notes.push({ subject: this.#subject, message });
  }

  /** Keys that are not taken over. */
  keys(value: Readonly<Record<string, unknown>>, known: ReadonlySet<string>): void {
    for (const key of Object.keys(value)) if (!known.has(key)) this.note(`"${lineFrom(key, 40)}" is not taken over`);
  }

  /** Entries of a list that are none. */
  others(list: readonly unknown[], kept: readonly unknown[], what: string): void {
    const count = list.length - kept.length;
    if (count > 0) this.note(`${count} of the entries below ${what} cannot be read`);
  }

  title(text: string): string {
    const whole = lineFrom(text, Infinity);
    if (whole.length > PACK_LIMITS.titleLength)
      this.note(`its title is cut after ${PACK_LIMITS.titleLength} characters`);
    return lineFrom(text);
  }

  text(value: unknown, name: string): string | undefined {
    const whole = textFrom(value, Infinity);
    if (whole === undefined) {
      if (value !== undefined && value !== null && typeof value !== 'string') this.note(`${name} is no text`);
      return undefined;
    }
    if (whole.length <= PACK_LIMITS.textLength) return whole;
    this.note(`${name} is cut after ${PACK_LIMITS.textLength} characters`);
    return textFrom(value);
  }

  /** A statement whole or not at all: the beginning of one says something else. */
  statement(value: unknown, missing: string): string | undefined {
    const sql = textFrom(value, Infinity)?.replace(/;\s*$/, '');
    if (sql === undefined) this.note(missing);
    if (sql === undefined || sql.length <= PACK_LIMITS.sqlLength) return sql;
    this.note(`its statement has ${sql.length} characters, more than ${PACK_LIMITS.sqlLength}`);
    return undefined;
  }

  /** Each once, and as many as there may be. */
  list(values: readonly string[], name: string, max: number = PACK_LIMITS.references): string[] {
    const all = [...new Set(values)];
    if (all.length > max) this.note(`of ${name} ${all.length - max} are left out, as there may be ${max}`);
    return all.slice(0, max);
  }

  /** References of one kind, in the form that they must have. */
  references(values: readonly unknown[], key: keyof References): string[] {
    const right: string[] = [];
    const wrong: string[] = [];
    for (const value of values) {
      // A number that is not in quotes may have lost a digit.
      const { data, success } = REFERENCE[key].safeParse(typeof value === 'string' ? lineFrom(value, Infinity) : value);
      if (success) right.push(data);
      else wrong.push(lineFrom(JSON.stringify(value) ?? '', 40));
    }
    if (wrong.length > 0) this.note(`references of ${key} that have another form: ${wrong.slice(0, 5).join(', ')}`);
    return this.list(right, key);
  }
}
