import { ABOUT_TABLES } from './about.js';
import { AGENT_TABLES } from './agent.js';
import { DARWIN_TABLES } from './darwin.js';
import { DOCKER_TABLES } from './docker.js';
import { EVENT_TABLES } from './events.js';
import { FILE_TABLES } from './files.js';
import { HARDWARE_TABLES } from './hardware.js';
import { KERNEL_TABLES } from './kernel.js';
import { NETWORK_TABLES } from './network.js';
import { PACKAGE_TABLES } from './packages.js';
import { PROCESS_TABLES } from './processes.js';
import { SERVICE_TABLES } from './services.js';
import { SOFTWARE_TABLES } from './software.js';
import { SYSTEM_TABLES } from './system.js';
import { withCost } from './table-cost.js';
import type { TableSpec } from './table-spec.js';
import { TRACE_TABLES } from './traces.js';
import { USER_TABLES } from './users.js';
import { WINDOWS_TABLES } from './windows.js';

/**
 * All tables of all platforms, sorted by name. Every component compiles against all of them, so that a statement means
 * the same everywhere. Whether a machine has a table is checked when the statement runs.
 */
export const TABLES: readonly TableSpec[] = [
  ...PROCESS_TABLES,
  ...NETWORK_TABLES,
  ...PACKAGE_TABLES,
  ...FILE_TABLES,
  ...SERVICE_TABLES,
  ...USER_TABLES,
  ...SYSTEM_TABLES,
  ...WINDOWS_TABLES,
  ...DARWIN_TABLES,
  ...AGENT_TABLES,
  ...ABOUT_TABLES,
  ...TRACE_TABLES,
  ...KERNEL_TABLES,
  ...HARDWARE_TABLES,
  ...SOFTWARE_TABLES,
  ...DOCKER_TABLES,
  ...EVENT_TABLES,
]
  .map(withCost)
  .sort((left, right) => (left.name < right.name ? -1 : 1));

const BY_NAME: ReadonlyMap<string, TableSpec> = new Map(TABLES.map((table) => [table.name, table]));

export function findTable(name: string): TableSpec | undefined {
  return BY_NAME.get(name.toLowerCase());
}
