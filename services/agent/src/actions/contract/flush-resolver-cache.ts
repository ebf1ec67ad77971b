import type { ActionImplementation } from './action.js';
import { succeeded, wouldDo } from './results.js';
import { runOrStop, settle } from './settle.js';

/** `dns.flush` on a platform with exactly one resolver cache. Runs the programs one after another. */
export function flushResolverCache(
  owner: string,
  programs: readonly (readonly [file: string, args: readonly string[]])[],
): ActionImplementation {
  return {
    run: (call) =>
      settle(call, async () => {
        if (call.dryRun) return wouldDo('the resolver cache would be emptied', [`empty the cache of ${owner}`]);
        for (const [file, args] of programs) await runOrStop(call.host, file, args);
        return succeeded('the resolver cache was emptied', [`emptied the cache of ${owner}`]);
      }),
  };
}
