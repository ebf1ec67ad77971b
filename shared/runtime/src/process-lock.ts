import { readFileSync } from 'node:fs';
import { lstat, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';

/** Another process holds the lock. */
export interface LockHeld {
  readonly kind: 'held';
  readonly pid: number;
}

export interface ProcessLock {
  readonly kind: 'locked';
  release(): Promise<void>;
}

const UNKNOWN_BIRTH = 'unknown';
/** Attempts while others take and release the lock; many more than processes that start at once can cause. */
const ATTEMPTS = 1_000;
/** What a lock says: a process id and when that process began. */
const OWNER = /^\d+ (\d+|unknown)$/;

/**
 * A lock that one process holds until it releases it or ends. It is a symbolic link whose text is the process id and its start
 * time, so that the lock of a killed process is recognised as stale even when its id was reused. A link appears with its text at
 * once, and needs no room on a full disk, as a file would. It works only among processes that see each other, not across machines
 * or containers. Throws what the file system throws, and where something else is in the lock's place, such as a folder or a link
 * that names no process: that is not this function's work, so a person must look at it.
 */
export async function takeProcessLock(path: string): Promise<ProcessLock | LockHeld> {
  const owner = `${process.pid} ${birthOf(process.pid) ?? UNKNOWN_BIRTH}`;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (await create(path, owner)) return { kind: 'locked', release: () => rm(path, { force: true }) };
    const found = await ownerTextOf(path);
    if (found === undefined) continue;
    const { pid, birth } = ownerOf(found);
    if (isAlive(pid, birth)) return { kind: 'held', pid };
    await removeStale(path, found, owner);
  }
  throw new Error(`the lock ${path} cannot be taken: it comes and goes, or ${path}.turn is in the way`);
}

/** Whether a link with this text is a lock of {@link takeProcessLock}. */
export function isLockText(text: string): boolean {
  return OWNER.test(text);
}

/** `false` when something is there already. */
async function create(path: string, owner: string): Promise<boolean> {
  try {
    await symlink(owner, path).catch(async (error: unknown) => {
      if (!isErrno(error, ...NO_LINKS)) throw error;
      await writeFile(path, owner, { mode: 0o600, flag: 'wx' });
    });
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Some file systems have no links, and Windows permits them to few. */
const NO_LINKS = ['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/**
 * Removes a stale lock, one process at a time: two processes that remove it together could remove the new lock of a third.
 * A lock that exists is never replaced, so the lock stays the same while this process holds the turn. A turn of a dead process
 * is removed.
 */
async function removeStale(path: string, found: string, owner: string): Promise<void> {
  const turn = `${path}.turn`;
  if (!(await create(turn, owner))) {
    const other = await ownerTextOf(turn);
    if (other === undefined) return;
    const { pid, birth } = ownerOf(other);
    if (!isAlive(pid, birth)) await rm(turn, { force: true });
    return;
  }
  try {
    if ((await ownerTextOf(path)) === found) await rm(path, { force: true });
  } finally {
    await rm(turn, { force: true });
  }
}

/**
 * Undefined when nothing is there. A file is a lock where there are no links, and of earlier versions. Throws when it is neither:
 * a pipe would block.
 */
async function ownerTextOf(path: string): Promise<string | undefined> {
  try {
    const stats = await lstat(path);
    if (stats.isFile()) return await readFile(path, 'utf8');
    const text = stats.isSymbolicLink() ? await readlink(path) : '';
    if (isLockText(text)) return text;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
  throw new Error(`${path} is in the place of a lock and is not one: remove it`);
}

function ownerOf(content: string): { readonly pid: number; readonly birth: string } {
  const [pid = '', birth = ''] = content.trim().split(' ');
  return { pid: Number(pid), birth };
}

function isAlive(pid: number, birth: string): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  if (birth !== UNKNOWN_BIRTH) return birthOf(pid) === birth;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

/** Start time of a process in ticks since boot (proc(5), field 22); undefined without such a process or without /proc. */
function birthOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses and may contain anything; the fields after the last one are plain.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  // Not `instanceof`, which is false across realms.
  return typeof error === 'object' && error !== null && 'code' in error && codes.includes(String(error.code));
}
