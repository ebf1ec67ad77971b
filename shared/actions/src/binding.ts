import { type Binding, encodeCbor, LIMITS } from '@muster/protocol';
import { createHash } from 'node:crypto';
import type { ActionDefinition, Fault, RowShape } from './catalogue/action.js';

export type ParsedBinding =
  { readonly ok: true; readonly binding: Binding } | { readonly ok: false; readonly faults: readonly Fault[] };

/** The part of an action that tells which rows it can be bound to. */
export interface Bindable {
  readonly name: string;
  readonly binds?: RowShape | undefined;
  readonly bindsToo?: readonly RowShape[] | undefined;
}

type Column = string | number | null;
type Row = Readonly<Record<string, unknown>>;

/**
 * Reduces a row to the binding: only the columns that the action compares. With several possible tables, the shape with
 * the most required columns that the row has is used. Idempotent: parsing a binding returns the same binding.
 */
export function parseBinding(action: Bindable, row: unknown): ParsedBinding {
  const shapes = shapesOf(action);
  const [first] = shapes;
  if (first === undefined) return fault('', `${action.name} cannot be bound to rows`);
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return fault('', 'a row must be an object');
  const shape = shapes.find((each) => missingIn(each, row as Row).length === 0);
  if (shape !== undefined) return bind(shape, row as Row);
  if (shapes.length === 1) {
    return {
      ok: false,
      faults: missingIn(first, row as Row).map((path) => ({
        path,
        message: `${action.name} needs this column of ${first.table}`,
      })),
    };
  }
  const choices = shapes.map((each) => `${each.table} (${each.required.join(', ')})`).join('; ');
  return fault('', `${action.name} needs the columns of one of these tables: ${choices}`);
}

/** Whether a row names the object of the action: it has one, and the parameters name none. */
export function isBoundToRows({ object = [] }: Pick<ActionDefinition, 'object'>, params: object): boolean {
  const naming = object.flatMap(({ required, optional }) => [...required, ...optional]);
  return naming.length > 0 && !Object.keys(params).some((key) => naming.includes(key));
}

/** The row shapes of an action, those with the most required columns first. Among equals the main shape comes first. */
export function shapesOf({ binds, bindsToo = [] }: Omit<Bindable, 'name'>): readonly RowShape[] {
  const shapes = binds === undefined ? [] : [binds, ...bindsToo];
  return shapes.toSorted((one, other) => other.required.length - one.required.length);
}

function missingIn(shape: RowShape, row: Row): string[] {
  return shape.required.filter((column) => valueOf(shape, row, column) === undefined);
}

/** A NULL column cannot be compared, so it counts as missing. */
function valueOf(shape: RowShape, row: Row, column: string): unknown {
  const value = own(row, column) ?? undefined;
  const isHashed = shape.hashed?.includes(column) === true;
  return isHashed && value === undefined ? (own(row, hashName(column)) ?? undefined) : value;
}

function bind(shape: RowShape, row: Row): ParsedBinding {
  const faults: Fault[] = [];
  const binding: Record<string, Column> = {};
  for (const column of [...shape.required, ...shape.optional]) {
    const value = valueOf(shape, row, column);
    if (value === undefined) continue;
    const read = readColumn(shape, row, column, value);
    if ('message' in read) faults.push({ path: column, message: read.message });
    else binding[read.column] = read.value;
  }
  if (faults.length === 0 && encodeCbor(binding).length > LIMITS.bindingBytes) {
    faults.push({ path: '', message: `the row has more than ${LIMITS.bindingBytes} bytes in the columns that count` });
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, binding };
}

type ReadColumn = { readonly column: string; readonly value: Column } | { readonly message: string };

function readColumn(shape: RowShape, row: Row, column: string, value: unknown): ReadColumn {
  if (shape.integers?.includes(column) === true) {
    const whole = integerOf(value);
    return whole === undefined ? { message: 'a whole number is expected' } : { column, value: whole };
  }
  if (typeof value !== 'string') return { message: 'text is expected' };
  if (shape.hashed?.includes(column) !== true) return { column, value };
  if (own(row, column) !== undefined && own(row, column) !== null) {
    return { column: hashName(column), value: createHash('sha256').update(value).digest('hex') };
  }
  return /^[0-9a-f]{64}$/i.test(value)
    ? { column: hashName(column), value: value.toLowerCase() }
    : { message: 'a SHA-256 in hexadecimal digits is expected' };
}

/** A number where it is exact, otherwise decimal text, because integers may exceed 2^53. */
function integerOf(value: unknown): number | string | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  if (typeof value === 'bigint') return integerOf(value.toString());
  if (typeof value !== 'string' || !/^-?\d{1,20}$/.test(value)) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function own(row: Row, column: string): unknown {
  return Object.hasOwn(row, column) ? row[column] : undefined;
}

function hashName(column: string): string {
  return `${column}_sha256`;
}

function fault(path: string, message: string): ParsedBinding {
  return { ok: false, faults: [{ path, message }] };
}
