import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Ways in which a command history loses records. */
export const DAMAGES = ['no file', 'no end', 'torn block', 'zeroed end', 'no middle', 'no head'] as const;
export type Damage = (typeof DAMAGES)[number];

/** Bytes that a torn or zeroed block takes from a history of some lines. */
const BLOCK = 512;

/** Damages the history in this data directory. Does nothing where there is none yet. */
export function damage(dataDir: string, how: Damage): void {
  const path = join(dataDir, 'commands.log');
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return;
  }
  const end = Math.max(0, bytes.length - BLOCK);
  switch (how) {
    case 'no file':
      return rmSync(path);
    case 'no head':
      return rmSync(join(dataDir, 'commands.head'), { force: true });
    case 'no end':
      // At the end of a line, as if the last ones had never been written.
      return truncateSync(path, bytes.subarray(0, end).lastIndexOf('\n') + 1);
    case 'torn block':
      return writeFileSync(path, bytes.fill(0x55, end, end + BLOCK / 2));
    case 'zeroed end':
      return writeFileSync(path, bytes.fill(0, end));
    case 'no middle': {
      const lines = bytes.toString('utf8').split(/(?<=\n)/);
      return writeFileSync(path, lines.toSpliced(Math.floor(lines.length / 2), 2).join(''));
    }
  }
}
