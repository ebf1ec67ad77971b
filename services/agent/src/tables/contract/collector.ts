import type { CollectRequest, TableRow } from '@muster/tables';
import type { System } from './system.js';

/** Reads one table of one platform. What cannot be read is missing from the rows; it throws only for the end of its time. */
export interface Collector {
  readonly table: string;
  collect(system: System, request: CollectRequest): Iterable<TableRow>;
}
