import type { TableSpec } from '../schema/table-spec.js';
import type { Cell, LazyCell, TableRow } from './collect.js';

const PRIME = 0x0100_0193;

/**
 * Derives row ids from the content of rows. For a WHERE with OR, SQLite scans a table once per side and skips row ids
 * it has seen. So a row must have the same id in every scan, and equal rows of one scan must have different ids.
 */
export class RowIds {
  readonly #spec: TableSpec;
  readonly #seen = new Map<bigint, bigint>();

  constructor(spec: TableSpec) {
    this.#spec = spec;
  }

  idOf(row: TableRow): bigint {
    const hash = hashRow(this.#spec, row);
    const occurrence = this.#seen.get(hash) ?? 0n;
    this.#seen.set(hash, occurrence + 1n);
    return BigInt.asIntN(64, hash + occurrence * 0x9e37_79b9_7f4a_7c15n);
  }
}

/** Two FNV-1a hashes with different seeds, combined to 64 bits. */
function hashRow(spec: TableSpec, row: TableRow): bigint {
  let low = 0x811c_9dc5;
  let high = 0x050c_5d1f;
  for (const column of spec.columns) {
    const text = cellText(row[column.name]);
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      low = Math.imul(low ^ unit, PRIME);
      high = Math.imul(high ^ (unit + 0x9e37), PRIME);
    }
    low = Math.imul(low ^ 0x1_0000, PRIME);
    high = Math.imul(high ^ 0x1_0001, PRIME);
  }
  return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
}

function cellText(cell: Cell | LazyCell): string {
  // Costly to read, and a result of the others.
  if (typeof cell === 'function') return '\u0001';
  if (cell === null || cell === undefined) return '\u0000';
  if (cell instanceof Uint8Array) return Buffer.from(cell.buffer, cell.byteOffset, cell.byteLength).toString('latin1');
  return String(cell);
}
