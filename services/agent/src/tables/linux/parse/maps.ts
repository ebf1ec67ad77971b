import type { TableRow } from '@muster/tables';
import { withoutDeletedMark } from './deleted-mark.js';

/** The kernel writes a line break of a name so, and a backslash as it is: such a name can be read in two ways. */
const BREAK = '\\012';

/** Looks up what the text does not tell of the file behind an address range. */
export interface MappedFiles {
  nameOf(range: string): string | undefined;
  isAt(range: string, path: string): boolean;
}

/** One line of `/proc/<pid>/maps` (proc_pid_maps(5)). */
export function parseMap(line: string, files: MappedFiles): TableRow | undefined {
  const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/s.exec(line);
  if (match === null) return undefined;
  const [, start = '', end = '', permissions, offset = '', device, inode, text = ''] = match;
  const range = `${start}-${end}`;
  const name = text.includes(BREAK) ? (files.nameOf(range) ?? text) : text;
  const { path } = withoutDeletedMark(name, () => files.isAt(range, name));
  return {
    ...{
      start: `0x${start}`,
      end: `0x${end}`,
      permissions,
      offset: BigInt(`0x${offset}`),
      device,
      inode: BigInt(inode ?? 0),
    },
    ...{ path, pseudo: path.startsWith('[') },
  };
}
