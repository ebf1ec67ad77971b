import { randomBytes } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { copyFile, link, readFile, rm, writeFile } from 'node:fs/promises';

/** Another process holds what the lock is for. */
export interface LockHeld {
  readonly kind: 'held';
  readonly pid: number;
}

export interface ProcessLock {
  readonly kind: 'locked';
  release(): Promise<void>;
}

const NOWHERE_SAID = 'unknown';

/**
 * One process at a time, until it releases the lock or ends. The file names the process and when it began, so that the lock of a process
 * that was killed is recognised as stale, also when its id was given to somebody else since. Processes must see each other: it says nothing
 * across machines or containers. Throws what the file system throws.
 */
export async function takeProcessLock(path: string): Promise<ProcessLock | LockHeld> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${process.pid} ${birthOf(process.pid) ?? NOWHERE_SAID}\n`, { mode: 0o600, flag: 'wx' });
  try {
    for (;;) {
      // A link appears with its content: nobody ever sees a lock that names no process yet, and takes it for a stale one.
      if (await appears(draft, path)) return { kind: 'locked', release: () => rm(path, { force: true }) };
      const found = await contentOf(path);
      if (found === undefined) continue;
      const { pid, birth } = ownerOf(found);
      if (isAlive(pid, birth)) return { kind: 'held', pid };
      await removeStale(path, found, draft);
    }
  } finally {
    await rm(draft, { force: true });
  }
}

async function appears(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path).catch(async (error: unknown) => {
      // Some file systems have no links.
      if (isErrno(error, 'EEXIST')) throw error;
      await copyFile(draft, path, constants.COPYFILE_EXCL);
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Takes away the lock that was looked at, one process at a time: another one could otherwise take away what has replaced it in between. Nobody
 * replaces a lock that is there, so while one is at it, what it has looked at stays. Who died at it is passed over.
 */
async function removeStale(path: string, content: string, draft: string): Promise<void> {
  const turn = `${path}.turn`;
  if (!(await appears(draft, turn))) {
    const other = await contentOf(turn);
    if (other === undefined) return;
    const { pid, birth } = ownerOf(other);
    if (!isAlive(pid, birth)) await rm(turn, { force: true });
    return;
  }
  try {
    if ((await contentOf(path)) === content) await rm(path, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/** Undefined when there is no such file. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function ownerOf(content: string): { readonly pid: number; readonly birth: string } {
  const [pid = '', birth = ''] = content.trim().split(' ');
  return { pid: Number(pid), birth };
}

function isAlive(pid: number, birth: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (birth !== NOWHERE_SAID) return birthOf(pid) === birth;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

/** When a process began, in the kernel's ticks since boot (proc(5), field 22); undefined when there is none, or no /proc. */
function birthOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses and may hold anything; what follows the last one is plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function isErrno(error: unknown, code: string): boolean {
  // Not `instanceof`, which is false across realms.
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
