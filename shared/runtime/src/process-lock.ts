import { randomBytes } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { copyFile, link, lstat, readFile, rm, writeFile } from 'node:fs/promises';

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

/**
 * A lock that one process holds until it releases it or ends. The file has the process id and its start time, so that the
 * lock of a killed process is recognised as stale even when its id was reused. It works only among processes that see each
 * other, not across machines or containers. Throws what the file system throws, and where something else than a file is in the
 * lock's place, such as a link that leads nowhere: that is not this function's work, so a person must look at it.
 */
export async function takeProcessLock(path: string): Promise<ProcessLock | LockHeld> {
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(draft, `${process.pid} ${birthOf(process.pid) ?? UNKNOWN_BIRTH}\n`, { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      // A link appears with its content, so no process sees an empty lock and takes it for a stale one.
      if (await createLink(draft, path)) return { kind: 'locked', release: () => rm(path, { force: true }) };
      const found = await contentOf(path);
      if (found === undefined) continue;
      const { pid, birth } = ownerOf(found);
      if (isAlive(pid, birth)) return { kind: 'held', pid };
      await removeStale(path, found, draft);
    }
    throw new Error(`the lock ${path} cannot be taken: it comes and goes, or ${path}.turn is in the way`);
  } finally {
    await rm(draft, { force: true });
  }
}

async function createLink(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path).catch(async (error: unknown) => {
      // Some file systems do not support links.
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
 * Removes a stale lock, one process at a time: two processes that remove it together could remove the new lock of a third.
 * A lock that exists is never replaced, so the lock stays the same while this process holds the turn file. A turn file of a
 * dead process is removed.
 */
async function removeStale(path: string, content: string, draft: string): Promise<void> {
  const turn = `${path}.turn`;
  if (!(await createLink(draft, turn))) {
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

/** Undefined when there is no such file. Throws when it is no file: a link may lead nowhere, and a pipe would block. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    if (!(await lstat(path)).isFile())
      throw new Error(`${path} is in the place of a lock and is not a file: remove it`);
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

function isErrno(error: unknown, code: string): boolean {
  // Not `instanceof`, which is false across realms.
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
