import { LIMITS } from './limits.js';

/** The types of a value that is bound to a `:name` of a statement: the storage classes of SQLite. */
export const SQL_PARAMETER_TYPES = ['text', 'integer', 'number', 'blob', 'null'] as const;
export type SqlParameterType = (typeof SQL_PARAMETER_TYPES)[number];

/**
 * A value for `:name`. The type is said apart, because many encoders write a number that is integral as an integer: `number` is bound as
 * a REAL, whatever it looks like. Integers beyond 2^53 are `bigint`.
 */
export interface SqlParameter {
  readonly name: string;
  readonly type: SqlParameterType;
  readonly value: null | number | bigint | string | Uint8Array;
}

const NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;

/** Whether it may name a parameter: a letter, then letters, digits and `_`, 63 in all. */
export function isSqlParameterName(name: string): boolean {
  return NAME.test(name);
}

const MAX_INTEGER = 2n ** 63n - 1n;

/** Whether the value is one of its type. */
export function isSqlParameterValue(type: SqlParameterType, value: unknown): boolean {
  switch (type) {
    case 'text':
      return typeof value === 'string' && value.isWellFormed();
    case 'integer':
      if (typeof value === 'bigint') return value <= MAX_INTEGER && value >= -MAX_INTEGER - 1n;
      return Number.isSafeInteger(value);
    case 'number':
      return typeof value === 'bigint' || (typeof value === 'number' && !Number.isNaN(value));
    case 'blob':
      return value instanceof Uint8Array;
    case 'null':
      return value === null;
  }
}

/** What is wrong with parameters of a statement, or `undefined`. */
export function sqlParametersFault(parameters: readonly SqlParameter[]): string | undefined {
  const { sqlParameters, sqlParametersBytes } = LIMITS;
  if (parameters.length > sqlParameters) return `there are ${parameters.length} of them, ${sqlParameters} are allowed`;
  const names = new Set<string>();
  let bytes = 0;
  for (const { name, type, value } of parameters) {
    if (typeof name !== 'string' || !isSqlParameterName(name)) return 'a name is not one of a parameter';
    if (names.has(name)) return `${name} is given twice`;
    names.add(name);
    if (!isSqlParameterValue(type, value)) return `the value of ${name} is not of type ${type}`;
    if (typeof value === 'string') bytes += new TextEncoder().encode(value).length;
    else if (value instanceof Uint8Array) bytes += value.length;
  }
  return bytes > sqlParametersBytes ? `they have ${bytes} bytes, ${sqlParametersBytes} are allowed` : undefined;
}
