import type { TableSpec } from '../schema/table-spec.js';
import type { CollectRequest, TableProvider, TableRow } from './collect.js';

/** Tables for tests: one plain, one with pushdown, one that requires a constraint. */
export const FIXTURE_TABLES: readonly TableSpec[] = [
  {
    name: 'processes',
    description: 'test',
    platforms: ['linux'],
    columns: [
      { name: 'pid', type: 'BIGINT', description: '', pushdown: ['='] },
      { name: 'name', type: 'TEXT', description: '' },
      { name: 'path', type: 'TEXT', description: '' },
      { name: 'cpu', type: 'DOUBLE', description: '' },
      { name: 'raw', type: 'BLOB', description: '' },
      { name: 'secret', type: 'TEXT', description: '', hidden: true },
    ],
  },
  {
    name: 'file',
    description: 'test',
    platforms: ['linux'],
    requiresOneOf: ['path', 'directory'],
    columns: [
      { name: 'path', type: 'TEXT', description: '', pushdown: ['=', 'like'] },
      { name: 'directory', type: 'TEXT', description: '', pushdown: ['='] },
      { name: 'size', type: 'BIGINT', description: '', pushdown: ['>', '>=', '<', '<='] },
    ],
  },
  {
    name: 'registry',
    description: 'test',
    platforms: ['windows'],
    columns: [{ name: 'key', type: 'TEXT', description: '' }],
  },
];

/** Records its requests and returns the rows of `rows`. */
export class FixtureProvider implements TableProvider {
  readonly requests: { table: string; request: CollectRequest }[] = [];
  readonly #rows: (table: string, request: CollectRequest) => Iterable<TableRow>;

  constructor(rows: (table: string, request: CollectRequest) => Iterable<TableRow> = () => []) {
    this.#rows = rows;
  }

  has(table: string): boolean {
    return table !== 'registry';
  }

  collect(table: string, request: CollectRequest): Iterable<TableRow> {
    this.requests.push({ table, request });
    return this.#rows(table, request);
  }
}
