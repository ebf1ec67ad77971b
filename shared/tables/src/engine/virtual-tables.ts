import type { SqlValue } from '@muster/protocol';
import type { TableSpec } from '../schema/table-spec.js';
import { cellOf, type TableProvider, type TableRow } from './collect.js';
import type { StatementScope } from './request.js';
import { RowIds } from './row-id.js';
import { type OfferedConstraint, planScan, type ScanPlan } from './scan-plan.js';
import { RESULT, type SqliteModule } from './sqlite-module.js';
import { readValue, writeCell } from './values.js';

/** The engine that a database's virtual tables belong to. */
export interface TableHost {
  readonly provider: TableProvider | undefined;
  readonly scope: StatementScope;
  /** Plans of the current statement. SQLite passes their index back. */
  readonly plans: ScanPlan[];
  /** Called when the statement being compiled reads `spec`. */
  recordTable(spec: TableSpec): void;
  /** Called when a scan lacks the required constraint. Another join order may still work. */
  recordMissingConstraint(spec: TableSpec): void;
  /** Called when a callback threw. SQLite only learns that it failed. */
  recordFailure(error: unknown): void;
}

interface Table {
  readonly spec: TableSpec;
  readonly host: TableHost;
}

interface Cursor {
  readonly table: Table;
  rows: Iterator<TableRow> | undefined;
  row: TableRow | undefined;
  ids: RowIds | undefined;
  /** Id of the current row. SQLite may request it more than once. */
  rowId: bigint | undefined;
}

// sqlite3_vtab { pModule, nRef, zErrMsg } and sqlite3_vtab_cursor { pVtab }: the first words belong to SQLite.
const VTAB_BYTES = 12;
const VTAB_ERROR = 8;
const CURSOR_BYTES = 4;
const CONSTRAINT_BYTES = 12;
const USAGE_BYTES = 8;

/**
 * SQLite's virtual-table module, one per thread. The pointers that SQLite passes identify the table and the engine of a
 * callback. Tables are eponymous: they exist by their name, without CREATE.
 */
export class VirtualTables {
  readonly #sqlite: SqliteModule;
  readonly #module: number;
  readonly #registered = new Map<number, Table>();
  readonly #connected = new Map<number, Table>();
  readonly #cursors = new Map<number, Cursor>();
  #nextId = 1;

  constructor(sqlite: SqliteModule) {
    this.#sqlite = sqlite;
    this.#module = this.#buildModule();
  }

  /** Adds `spec` as a table of `db`. Pass the returned id to `forget` when the database is closed. */
  register(db: number, spec: TableSpec, host: TableHost): number {
    const id = this.#nextId;
    this.#nextId += 1;
    this.#registered.set(id, { spec, host });
    const { c } = this.#sqlite;
    this.#sqlite.withCString(spec.name, (name) => c.sqlite3_create_module_v2(db, name, this.#module, id, 0));
    return id;
  }

  forget(id: number): void {
    this.#registered.delete(id);
  }

  #buildModule(): number {
    const sqlite = this.#sqlite;
    const callbacks: [offset: number, signature: string, callback: (...args: number[]) => number][] = [
      [8, 'i(ppippp)', (db = 0, id = 0, _argc = 0, _argv = 0, out = 0) => this.#connect(db, id, out)],
      [12, 'i(pp)', (vtab = 0, info = 0) => this.#guard(vtab, (table) => this.#bestIndex(table, info))],
      [16, 'i(p)', (vtab = 0) => this.#disconnect(vtab)],
      [24, 'i(pp)', (vtab = 0, out = 0) => this.#guard(vtab, (table) => this.#open(table, out))],
      [28, 'i(p)', (cursor = 0) => this.#close(cursor)],
      [
        32,
        'i(pipip)',
        (cursor = 0, plan = 0, _name = 0, argc = 0, argv = 0) =>
          this.#guardCursor(cursor, (one) => this.#filter(one, plan, argc, argv)),
      ],
      [36, 'i(p)', (cursor = 0) => this.#guardCursor(cursor, advance)],
      [40, 'i(p)', (cursor = 0) => (this.#cursors.get(cursor)?.row === undefined ? 1 : 0)],
      [
        44,
        'i(ppi)',
        (cursor = 0, context = 0, column = 0) => this.#guardCursor(cursor, (one) => this.#column(one, context, column)),
      ],
      [48, 'i(pp)', (cursor = 0, out = 0) => this.#guardCursor(cursor, (one) => this.#rowId(one, out))],
    ];
    const moduleBytes = 100;
    const module = sqlite.malloc(moduleBytes);
    sqlite.bytes().fill(0, module, module + moduleBytes);
    for (const [offset, signature, callback] of callbacks) {
      const pointer = sqlite.install(signature, callback);
      sqlite.view().setUint32(module + offset, pointer, true);
    }
    return module;
  }

  #connect(db: number, id: number, out: number): number {
    const sqlite = this.#sqlite;
    const table = this.#registered.get(id);
    if (table === undefined) return RESULT.error;
    const code = sqlite.withCString(declaration(table.spec), (sql) => sqlite.c.sqlite3_declare_vtab(db, sql));
    if (code !== RESULT.ok) return code;
    const vtab = sqlite.malloc(VTAB_BYTES);
    sqlite.bytes().fill(0, vtab, vtab + VTAB_BYTES);
    sqlite.view().setUint32(out, vtab, true);
    this.#connected.set(vtab, table);
    return RESULT.ok;
  }

  #disconnect(vtab: number): number {
    this.#connected.delete(vtab);
    this.#sqlite.c.sqlite3_free(vtab);
    return RESULT.ok;
  }

  #open(table: Table, out: number): number {
    const cursor = this.#sqlite.malloc(CURSOR_BYTES);
    this.#sqlite.view().setUint32(cursor, 0, true);
    this.#sqlite.view().setUint32(out, cursor, true);
    this.#cursors.set(cursor, { table, rows: undefined, row: undefined, ids: undefined, rowId: undefined });
    return RESULT.ok;
  }

  #close(cursor: number): number {
    const one = this.#cursors.get(cursor);
    this.#cursors.delete(cursor);
    this.#sqlite.c.sqlite3_free(cursor);
    if (one !== undefined) abandon(one);
    return RESULT.ok;
  }

  #bestIndex(table: Table, info: number): number {
    const { spec, host } = table;
    const sqlite = this.#sqlite;
    const view = sqlite.view();
    host.recordTable(spec);
    const colUsed = view.getBigUint64(info + 64, true);
    const plan = planScan(spec, this.#offers(info), colUsed);
    if (plan === undefined) {
      host.recordMissingConstraint(spec);
      return RESULT.constraint;
    }
    const after = sqlite.view();
    const usage = after.getUint32(info + 16, true);
    for (const [position, offer] of plan.offered.entries()) {
      after.setInt32(usage + offer * USAGE_BYTES, position + 1, true);
    }
    after.setInt32(info + 20, host.plans.push(plan) - 1, true);
    after.setFloat64(info + 40, plan.cost, true);
    after.setBigInt64(info + 48, BigInt(plan.rows), true);
    return RESULT.ok;
  }

  #offers(info: number): OfferedConstraint[] {
    const sqlite = this.#sqlite;
    const view = sqlite.view();
    const count = view.getInt32(info, true);
    const first = view.getUint32(info + 4, true);
    return Array.from({ length: count }, (_, index) => {
      const at = first + index * CONSTRAINT_BYTES;
      return {
        column: view.getInt32(at, true),
        op: view.getUint8(at + 4),
        usable: view.getUint8(at + 5) !== 0,
        collation: () => sqlite.text(sqlite.c.sqlite3_vtab_collation(info, index)),
        isOneOfMany: () => sqlite.c.sqlite3_vtab_in(info, index, -1) !== 0,
      };
    });
  }

  #filter(cursor: Cursor, planIndex: number, argc: number, argv: number): number {
    abandon(cursor);
    const { spec, host } = cursor.table;
    const plan = host.plans[planIndex];
    if (plan === undefined) throw new Error(`table ${spec.name} was asked with an unknown plan ${planIndex}`);
    host.scope.checkpoint();
    cursor.rows = host.scope.scans.scan(spec, plan, this.#arguments(argc, argv), (constraints) =>
      (host.provider?.collect(spec.name, host.scope.request(constraints, plan.columns)) ?? [])[Symbol.iterator](),
    );
    return advance(cursor);
  }

  #arguments(argc: number, argv: number): SqlValue[] {
    const pointers = Array.from({ length: argc }, (_, index) => this.#sqlite.view().getUint32(argv + index * 4, true));
    return pointers.map((pointer) => readValue(this.#sqlite, pointer));
  }

  #column(cursor: Cursor, context: number, index: number): number {
    const column = cursor.table.spec.columns[index];
    const { row } = cursor;
    if (column === undefined || row === undefined) return RESULT.ok;
    const cell = cellOf(row[column.name]);
    const fitting = typeof cell === 'string' ? cursor.table.host.scope.bounds.fit(row, column.name, cell) : cell;
    writeCell(this.#sqlite, context, fitting, column.type);
    return RESULT.ok;
  }

  #rowId(cursor: Cursor, out: number): number {
    cursor.ids ??= new RowIds(cursor.table.spec);
    cursor.rowId ??= cursor.ids.idOf(cursor.row ?? {});
    this.#sqlite.view().setBigInt64(out, cursor.rowId, true);
    return RESULT.ok;
  }

  /** Exceptions must not pass through SQLite's frames. */
  #guard(vtab: number, action: (table: Table) => number): number {
    const table = this.#connected.get(vtab);
    if (table === undefined) return RESULT.error;
    try {
      return action(table);
    } catch (error) {
      table.host.recordFailure(error);
      this.#setError(vtab, error);
      return RESULT.error;
    }
  }

  #guardCursor(pointer: number, action: (cursor: Cursor) => number): number {
    const cursor = this.#cursors.get(pointer);
    if (cursor === undefined) return RESULT.error;
    try {
      return action(cursor);
    } catch (error) {
      cursor.table.host.recordFailure(error);
      this.#setError(this.#sqlite.view().getUint32(pointer, true), error);
      return RESULT.error;
    }
  }

  #setError(vtab: number, error: unknown): void {
    const { c } = this.#sqlite;
    c.sqlite3_free(this.#sqlite.view().getUint32(vtab + VTAB_ERROR, true));
    const message = this.#sqlite.cString(error instanceof Error ? error.message : String(error));
    this.#sqlite.view().setUint32(vtab + VTAB_ERROR, message, true);
  }
}

function advance(cursor: Cursor): number {
  cursor.table.host.scope.checkpoint();
  const next = cursor.rows?.next();
  cursor.rowId = undefined;
  cursor.row = next === undefined || next.done === true ? undefined : next.value;
  if (cursor.row === undefined) cursor.rows = undefined;
  return RESULT.ok;
}

/** Runs the `finally` of an unfinished generator. */
function abandon(cursor: Cursor): void {
  const { rows } = cursor;
  cursor.rows = undefined;
  cursor.row = undefined;
  cursor.ids = undefined;
  try {
    rows?.return?.();
  } catch (error) {
    cursor.table.host.recordFailure(error);
  }
}

function declaration(spec: TableSpec): string {
  const columns = spec.columns.map((one) => {
    const collate = one.collate === undefined ? '' : ` COLLATE ${one.collate}`;
    return `"${one.name}" ${one.type}${one.hidden === true ? ' HIDDEN' : ''}${collate}`;
  });
  return `CREATE TABLE x(${columns.join(', ')})`;
}
