import type { SqlValue } from '@muster/protocol';
import type { Machine } from './machine.js';

export type Row = Readonly<Record<string, SqlValue>>;

/**
 * A table of a simulated machine. `spread`: whether all machines of one image share its rows, or each host has its own. Answers are
 * cached per image where possible, because a fleet has few images and many machines.
 */
export interface SimulatedTable {
  readonly spread: 'image' | 'host';
  readonly rows: (machine: Machine) => readonly Row[];
}

export type SimulatedTables = ReadonlyMap<string, SimulatedTable>;

export function perImage(rows: (machine: Machine) => readonly Row[]): SimulatedTable {
  const known = new Map<string, readonly Row[]>();
  return {
    spread: 'image',
    rows: (machine) => {
      let made = known.get(machine.image);
      if (made === undefined) known.set(machine.image, (made = rows(machine)));
      return made;
    },
  };
}

export function perHost(rows: (machine: Machine) => readonly Row[]): SimulatedTable {
  return { spread: 'host', rows };
}
