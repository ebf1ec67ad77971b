import { systemClock, type Clock } from './clock.js';

export interface ParentGuardOptions {
  /** The process whose end is to be noticed. */
  readonly pid: number;
  /** Called once. */
  readonly onGone: () => void;
  readonly clock?: Clock;
  /** For tests: what the system says. */
  readonly system?: { readonly ppid: () => number; readonly exists: (pid: number) => boolean };
}

/**
 * Notices, within a second, that the process which started this one has ended, even by SIGKILL, so that nothing is left behind
 * in the background. A direct parent is watched by this process's parent id, which changes when the system adopts the orphan and
 * cannot be fooled by a reused id; one further up by whether its id exists. Returns what ends the watch.
 */
export function watchParent({ pid, onGone, clock = systemClock, system = realSystem }: ParentGuardOptions): () => void {
  const isDirect = system.ppid() === pid;
  const timer = clock.setInterval(() => {
    if (isDirect ? system.ppid() === pid : system.exists(pid)) return;
    clock.clear(timer);
    onGone();
  }, 1_000);
  timer.unref();
  return () => clock.clear(timer);
}

const realSystem = {
  ppid: () => process.ppid,
  exists: (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch (error) {
      // EPERM: it exists and belongs to somebody else.
      return error instanceof Error && 'code' in error && error.code === 'EPERM';
    }
  },
};
