import type { SqlValue } from '@muster/protocol';

type Known = Exclude<SqlValue, null>;

/** A scalar function of SQL. What it throws is the error of the statement. */
export interface SqlFunction {
  readonly name: string;
  /** -1 for any number. */
  readonly args: number;
  /** Numbers are passed as the text that SQLite makes of them: `2.0` and `1.0e+19` for REAL. */
  readonly takes?: 'text';
  /** Numbers that it returns are REAL, also whole ones. */
  readonly returns?: 'real';
  readonly call: (values: readonly SqlValue[]) => SqlValue;
}

/** A function that returns NULL when any argument is NULL. */
export function strict(name: string, args: number, call: (...values: Known[]) => SqlValue): SqlFunction {
  return {
    name,
    args,
    call: (values) => {
      const known = values.filter((value) => value !== null);
      return known.length === args ? call(...known) : null;
    },
  };
}

export function ofText(functions: readonly SqlFunction[]): SqlFunction[] {
  return functions.map((one) => ({ ...one, takes: 'text' }));
}

/** The value as text, as SQLite converts it; NULL becomes an empty text. */
export function text(value: SqlValue | undefined): string {
  if (value === null || value === undefined) return '';
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}

export function bytes(value: SqlValue | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(text(value));
}

/** The value as a 32-bit index, as `sqlite3_value_int` converts it: text by its leading digits, anything else by cutting off. */
export function integer(value: SqlValue | undefined): number {
  if (typeof value === 'bigint') return Number(BigInt.asIntN(32, value));
  const number = typeof value === 'number' ? value : Number(/^\s*[+-]?\d{1,15}/.exec(text(value))?.[0] ?? 0);
  return Number.isSafeInteger(Math.trunc(number)) ? Number(BigInt.asIntN(32, BigInt(Math.trunc(number)))) : 0;
}

/** The value as a double, as `sqlite3_value_double` converts it: text by its leading number, else 0. */
export function real(value: SqlValue | undefined): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  return Number(/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?/i.exec(text(value))?.[0] ?? 0);
}
