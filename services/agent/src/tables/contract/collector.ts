import type { CollectRequest, TableRow } from '@muster/tables';
import type { System } from './system.js';

/** Reads one table of one platform. Skips what it cannot read. Throws only when the time of the statement is over. */
export interface Collector {
  readonly table: string;
  collect(system: System, request: CollectRequest): Iterable<TableRow>;
}
