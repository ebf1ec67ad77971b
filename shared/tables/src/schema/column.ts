import {
  PLATFORMS,
  type ColumnSpec,
  type ColumnType,
  type ConstraintOp,
  type Platform,
  type Sensitivity,
  type TableSpec,
} from './table-spec.js';

type Extra = Partial<Omit<ColumnSpec, 'name' | 'type' | 'description'>>;

export const EVERY_PLATFORM = PLATFORMS;
export const LINUX: readonly Platform[] = ['linux'];
export const UNIX: readonly Platform[] = ['linux', 'darwin'];
export const MACOS: readonly Platform[] = ['darwin'];
export const WINDOWS: readonly Platform[] = ['windows'];

/** The collector can look up one value. */
export const EQUAL: { readonly pushdown: readonly ConstraintOp[] } = { pushdown: ['='] };
/** The value says where to read. */
export const SOURCE: { readonly pushdown: readonly ConstraintOp[]; readonly source: true } = {
  ...EQUAL,
  source: true,
};
/** The collector can look up a value, or find what matches a pattern. */
export const SOURCE_OR_LIKE: { readonly pushdown: readonly ConstraintOp[]; readonly source: true } = {
  pushdown: ['=', 'like'],
  source: true,
};
/** Compared case-insensitively, such as hashes and hardware addresses. */
export const NO_CASE: { readonly collate: 'NOCASE' } = { collate: 'NOCASE' };

/**
 * A column that only some of the table's platforms have. It is not part of `SELECT *`, so that a statement has the same
 * columns on every platform.
 */
export function only(...platforms: Platform[]): Extra {
  return { platforms, hidden: true };
}

function column(type: ColumnType): (name: string, description: string, extra?: Extra) => ColumnSpec {
  return (name, description, extra = {}) => ({ name, type, description, ...extra });
}

export const text = column('TEXT');
export const integer = column('INTEGER');
export const bigint = column('BIGINT');
export const double = column('DOUBLE');

/** The table, with what its rows may tell. */
export function sensitive(sensitivity: Sensitivity, spec: TableSpec): TableSpec {
  return { ...spec, sensitivity };
}

export function table(
  name: string,
  description: string,
  platforms: readonly Platform[],
  columns: readonly ColumnSpec[],
): TableSpec {
  return { name, description, platforms, columns };
}
