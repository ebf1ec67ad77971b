import { chmodSync, lstatSync, readdirSync, readlinkSync, realpathSync, rmSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isLockText } from '@muster/runtime/program';
import { ensurePrivateFolder } from './atomic-file.js';

/** Entries whose content is secret; they may not be readable by others either. */
const SECRETS: ReadonlySet<string> = new Set(['agent-key.json', 'agent-token']);

/**
 * Creates the data directory, or checks the one that is there: whoever can write in it decides which key this agent has,
 * whose commands it runs and what it restores. Throws an error that names the path and what to do when somebody else
 * owns or may change the directory, what is in it, or a folder above it. A directory that others may only read is closed
 * to them. Windows has other rights, which are those of the folder above.
 */
export function openPrivateFolder(path: string): void {
  ensurePrivateFolder(path);
  if (process.platform === 'win32') return;
  const stats = lstatSync(realpathSync(path));
  refuseOther(path, stats);
  if ((stats.mode & 0o077) !== 0) chmodSync(path, 0o700);
  for (let above = dirname(realpathSync(path)); ; above = dirname(above)) {
    const { mode } = statSync(above);
    // In a folder with the sticky bit, such as /tmp, others cannot replace what they do not own (inode(7)).
    if ((mode & 0o1002) === 0o002) refuse(above, 'everybody may replace what is in it', `chmod o-w ${above}`);
    if (above === dirname(above)) break;
  }
  checkEntries(path, 1);
}

/** What a killed agent leaves: files that were to replace others, and those of earlier versions beside the lock. */
const LEFTOVER = /^(\.[0-9a-f]{12}\.(tmp|note)|agent\.lock\.[0-9a-f]{12})$/;

/** Removes what earlier runs left half written in the data directory. Call it with the lock held. */
export function removeLeftovers(path: string, depth = 1): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isFile() && LEFTOVER.test(entry.name)) rmSync(inner, { force: true });
    if (entry.isDirectory() && depth > 0) removeLeftovers(inner, depth - 1);
  }
}

/** Also in the folders that the agent has in it. */
function checkEntries(folder: string, depth: number): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    // The lock is a link that leads nowhere and says who holds it; rights of links mean nothing.
    if (stats.isSymbolicLink() && isLockText(readlinkSync(path))) continue;
    if (!stats.isFile() && !stats.isDirectory()) refuse(path, 'it is neither a file nor a folder', `rm ${path}`);
    refuseOther(path, stats);
    if (SECRETS.has(name) && (stats.mode & 0o077) !== 0)
      refuse(path, 'others may read it, so that it may be known', `rm ${path} (a new agent), or chmod 600 ${path}`);
    if (stats.isDirectory() && depth > 0) checkEntries(path, depth - 1);
  }
}

function refuseOther(path: string, { uid, mode }: Stats): void {
  const own = process.getuid?.() ?? uid;
  // Whatever root did is as good as what this user did.
  if (uid !== own && uid !== 0)
    refuse(path, `it belongs to user ${uid}, and this agent is user ${own}`, `chown ${own} ${path}`);
  if ((mode & 0o022) !== 0) refuse(path, 'others may write to it', `chmod go-w ${path}`);
}

function refuse(path: string, why: string, how: string): never {
  throw new Error(`the data directory is not safe: ${path}: ${why}. If what is in it can be trusted: ${how}`);
}
