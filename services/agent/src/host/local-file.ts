import { readFileSync } from 'node:fs';
import { System } from '../tables/contract/system.js';
import { RemoteMounts } from '../tables/linux/remote-mounts.js';

/**
 * The text of a file of this machine, for the agent's own process, which must not hang: `undefined` when the file cannot
 * be read, or is on a file system of another machine or of a program.
 */
export function readLocalFile(path: string): string | undefined {
  if (process.platform === 'linux' && new RemoteMounts(new System()).isBehind('', path)) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
