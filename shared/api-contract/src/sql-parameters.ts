import {
  isSqlParameterName,
  LIMITS,
  sqlParametersFault,
  type SqlParameter,
  type SqlParameterType,
} from '@muster/protocol/vocabulary';
import { z } from 'zod';

/** A scalar as a caller gives it. */
const scalar = z.union([
  z.null(),
  z.boolean(),
  z.number(),
  z.string(),
  z.strictObject({ $integer: z.string().regex(/^-?[0-9]{1,19}$/, 'is not an integer') }),
]);

export const sqlParameterValue = z
  .union([
    scalar,
    z.strictObject({ $number: z.number() }),
    z.strictObject({ $blob: z.base64() }),
    z.array(scalar).max(10_000),
  ])
  .meta({
    id: 'SqlParameterValue',
    description:
      'A number without a fraction is bound as INTEGER, another as REAL; `{"$number": 22}` is REAL too, `{"$integer": "9007199254740993"}` is for ' +
      'integers beyond 2^53. `true` is 1 and `false` 0, a string is TEXT, `{"$blob": base64}` a BLOB. A list is bound as its JSON text: ' +
      '`port IN (SELECT value FROM json_each(:ports))`.',
  });

/** A value of a parameter in JSON. */
export type SqlParameterJson = z.input<typeof sqlParameterValue>;

type Scalar = z.output<typeof scalar>;

/** Values for the `:name` of statements, by name. */
export const sqlParameters = z
  .record(z.string().refine(isSqlParameterName, 'is not the name of a parameter'), sqlParameterValue)
  .superRefine((given, context) => {
    const fault = readSqlParameters(given).fault;
    if (fault !== undefined) context.addIssue({ code: 'custom', ...fault });
  })
  .meta({
    description:
      `Values for the \`:name\` of \`sql\` and \`reduce\`: bound where the statement runs, never pasted into its text. Up to ${LIMITS.sqlParameters}, ` +
      `${LIMITS.sqlParametersBytes / 1024} KiB in all. Each must be used, and each \`:name\` must have one. Agents from before parameters answer \`refused\`, code \`no_parameters\`.`,
  });

type Fault = { readonly message: string; readonly path: string[] };

/** What is bound for values in JSON, in the order of their names; `fault` where one cannot be. */
export function readSqlParameters(given: Readonly<Record<string, z.output<typeof sqlParameterValue>>>): {
  readonly parameters: readonly SqlParameter[];
  readonly fault?: Fault;
} {
  const parameters: SqlParameter[] = [];
  for (const [name, value] of Object.entries(given)) {
    const bound = boundValue(value);
    if (typeof bound === 'string') return { parameters: [], fault: { message: bound, path: [name] } };
    parameters.push({ name, ...bound });
  }
  const fault = sqlParametersFault(parameters);
  if (fault !== undefined) return { parameters: [], fault: { message: fault, path: [] } };
  return { parameters: parameters.sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

type Bound = { readonly type: SqlParameterType; readonly value: SqlParameter['value'] };

/** The value that is bound, or what is wrong with it. */
function boundValue(value: z.output<typeof sqlParameterValue>): Bound | string {
  if (value === null) return { type: 'null', value };
  if (typeof value === 'boolean') return { type: 'integer', value: value ? 1 : 0 };
  if (typeof value === 'string') return value.isWellFormed() ? { type: 'text', value } : HALF;
  if (typeof value === 'number') return boundNumber(value);
  if (Array.isArray(value)) {
    const texts = value.map(scalarText);
    if (!texts.every((text) => text.isWellFormed())) return HALF;
    return { type: 'text', value: `[${texts.join(',')}]` };
  }
  if ('$blob' in value) return { type: 'blob', value: Uint8Array.from(atob(value.$blob), (one) => one.charCodeAt(0)) };
  if ('$number' in value) return { type: 'number', value: value.$number };
  const integer = BigInt(value.$integer);
  if (BigInt.asIntN(64, integer) !== integer) return 'is beyond 64 bits';
  return { type: 'integer', value: isSafe(integer) ? Number(integer) : integer };
}

const HALF = 'holds half of a character';

function boundNumber(value: number): Bound | string {
  if (Number.isSafeInteger(value)) return { type: 'integer', value };
  const mayBeCut = Number.isInteger(value) && Math.abs(value) < 2 ** 63;
  return mayBeCut ? 'is beyond 2^53: give it as {"$integer": "…"}' : { type: 'number', value };
}

function isSafe(integer: bigint): boolean {
  return integer <= BigInt(Number.MAX_SAFE_INTEGER) && integer >= BigInt(Number.MIN_SAFE_INTEGER);
}

function scalarText(value: Scalar): string {
  if (typeof value === 'object' && value !== null) return String(BigInt(value.$integer));
  // Halves of characters are escaped by JSON.stringify, and would pass as well-formed.
  return typeof value === 'string' && !value.isWellFormed() ? value : JSON.stringify(value);
}

/** How bound values are told again: what a caller may give to have the same bound. A list is told as its JSON text. */
export function sqlParametersJson(parameters: readonly SqlParameter[]): Record<string, SqlParameterJson> {
  return Object.fromEntries(parameters.map((one) => [one.name, valueJson(one)]));
}

function valueJson({ type, value }: SqlParameter): SqlParameterJson {
  if (value instanceof Uint8Array)
    return { $blob: btoa(Array.from(value, (one) => String.fromCharCode(one)).join('')) };
  if (typeof value === 'bigint') return type === 'number' ? { $number: Number(value) } : { $integer: String(value) };
  return type === 'number' && Number.isInteger(value) ? { $number: value as number } : value;
}
