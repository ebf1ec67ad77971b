import { watchParent } from '@muster/runtime/program';

/** How long a fleet whose parent is gone may take to close its sessions. */
const GRACE_MS = 5_000;

/**
 * Calls `end` once, when this process is told to end, or when who started it is gone, even by SIGKILL: the process that
 * forked it, npm, or the one that `MUSTER_PARENT_PID` names. A fleet that goes on without them fights for its keys with
 * the next one.
 */
export function onEndOfProcess(end: () => void): void {
  let hasEnded = false;
  const once = (): void => {
    if (!hasEnded) end();
    hasEnded = true;
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, once);
  const orphaned = (): void => {
    once();
    setTimeout(() => process.exit(1), GRACE_MS).unref();
  };
  if (process.connected) process.once('disconnect', orphaned);
  const { MUSTER_PARENT_PID: named, npm_lifecycle_event: script } = process.env;
  // Under npm the parent waits for this process. Elsewhere it may be a shell that has left it in the background.
  const pid = named !== undefined ? Number(named) : script !== undefined ? process.ppid : undefined;
  if (pid !== undefined) watchParent({ pid, onGone: orphaned });
}
