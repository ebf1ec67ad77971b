import { readFileSync } from 'node:fs';
import { open, readFile, rm } from 'node:fs/promises';

/** Another runner holds the folder. */
export interface LockHeld {
  readonly kind: 'held';
  readonly pid: number;
}

export interface Lock {
  readonly kind: 'locked';
  release(): Promise<void>;
}

/**
 * One runner per folder. The file names the process and when it began, so that the lock of a runner that was killed is recognised as stale,
 * also when its process id was given to somebody else since.
 */
export async function takeRunLock(path: string): Promise<Lock | LockHeld> {
  const mine = `${process.pid} ${processBirth(process.pid) ?? 'unknown'}\n`;
  // Twice: the second time after a stale file was removed.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = await open(path, 'wx', 0o600);
      await file.writeFile(mine);
      await file.close();
      return { kind: 'locked', release: () => rm(path, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '0', birth] = (await readFile(path, 'utf8').catch(() => '')).trim().split(' ');
    if (birth !== undefined && processBirth(Number(pid)) === birth) return { kind: 'held', pid: Number(pid) };
    await rm(path, { force: true });
  }
  return { kind: 'held', pid: 0 };
}

/** When a process began, in the kernel's ticks since boot (proc(5), field 22); undefined when there is none. */
function processBirth(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses and may hold anything; what follows the last one is plain.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
