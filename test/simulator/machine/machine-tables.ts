import type { Facts } from '@muster/protocol';
import { FILE_TABLES } from './file-tables.js';
import { HOST_TABLES } from './host-tables.js';
import { LINUX_PACKAGE_TABLES, MAC_PACKAGE_TABLES, WINDOWS_PACKAGE_TABLES } from './package-tables.js';
import { LINUX_PROCESS_TABLES, MAC_PROCESS_TABLES, WINDOWS_PROCESS_TABLES } from './process-tables.js';
import type { Machine } from './machine.js';
import type { Row, SimulatedTables } from './simulated-table.js';

/** The tables that machines of each operating system have. */
export const MACHINE_TABLES: Readonly<Record<Facts['os'], SimulatedTables>> = {
  linux: new Map([...HOST_TABLES, ...FILE_TABLES, ...LINUX_PACKAGE_TABLES, ...LINUX_PROCESS_TABLES]),
  windows: new Map([...HOST_TABLES, ...FILE_TABLES, ...WINDOWS_PACKAGE_TABLES, ...WINDOWS_PROCESS_TABLES]),
  darwin: new Map([...HOST_TABLES, ...FILE_TABLES, ...MAC_PACKAGE_TABLES, ...MAC_PROCESS_TABLES]),
};

/** The rows of a table as they are now. */
export function rowsOf(machine: Machine, table: string): readonly Row[] {
  const rows = MACHINE_TABLES[machine.profile.os].get(table)?.rows(machine) ?? [];
  return machine.changes?.apply(table, rows) ?? rows;
}
