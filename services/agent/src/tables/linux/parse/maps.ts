import type { TableRow } from '@muster/tables';

/** The kernel writes a line break of a name so, and a backslash as it is: such a name can be read in two ways. */
const BREAK = '\\012';
/** Stands behind the name of a file that is gone. */
const DELETED = ' (deleted)';

/** One line of `/proc/<pid>/maps` (proc_pid_maps(5)). `exactPath` looks up the name of an address range that the text does not tell. */
export function parseMap(line: string, exactPath: (range: string) => string | undefined): TableRow | undefined {
  const match = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) ([0-9a-f]+:[0-9a-f]+) (\d+) *(.*)$/s.exec(line);
  if (match === null) return undefined;
  const [, start = '', end = '', permissions, offset = '', device, inode, text = ''] = match;
  const name = text.includes(BREAK) ? (exactPath(`${start}-${end}`) ?? text) : text;
  const path = name.endsWith(DELETED) ? name.slice(0, -DELETED.length) : name;
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
