import { systemClock, type Clock } from './clock.js';

export interface ParentGuardOptions {
  readonly pid: number;
  /** Called once. */
  readonly onGone: () => void;
  readonly clock?: Clock;
  /** Replaced by tests. */
  readonly system?: { readonly ppid: () => number; readonly exists: (pid: number) => boolean };
}

/**
 * Calls `onGone` within a second after the process that started this one has ended, even by SIGKILL. A direct parent is
 * watched by the parent id of this process, which changes when the system adopts the orphan; a reused id does not matter.
 * An indirect parent is watched by whether its id exists. Returns a function that ends the watch.
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
      // EPERM: it exists and belongs to another user.
      return error instanceof Error && 'code' in error && error.code === 'EPERM';
    }
  },
};
