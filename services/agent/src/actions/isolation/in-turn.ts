const last = new Map<string, Promise<unknown>>();

/** Runs `work` after what was asked before for the same key has ended, whichever way. One process holds a data directory, so this is enough. */
export function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const run = (last.get(key) ?? Promise.resolve()).then(work, work);
  last.set(key, run);
  const forget = (): void => {
    if (last.get(key) === run) last.delete(key);
  };
  run.then(forget, forget);
  return run;
}
