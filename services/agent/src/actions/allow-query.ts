import type { ActionImplementation } from './contract/action.js';
import { counted, succeeded, unchanged, withVerb, wouldDo } from './contract/results.js';

/** `agent.allow_query` on every platform: forgets that queries ended their workers, so that they may run again. */
export const allowQuery: ActionImplementation = {
  run: (call) => {
    const { query } = call.params as { query?: string };
    const start = query?.toLowerCase();
    const { refusedQueries } = call.host;
    const found = refusedQueries.matching(start);
    if (found.length === 0) {
      const which = start === undefined ? 'no query' : `no query whose SHA-256 begins with ${start}`;
      return Promise.resolve(unchanged(`${which} is refused here for having ended its worker`));
    }
    const count = counted(found.length, 'query', 'queries');
    if (call.dryRun) return Promise.resolve(wouldDo(`${count} could run again`, withVerb('allow', found)));
    const allowed = refusedQueries.allow(start);
    return Promise.resolve(succeeded(`${count} may run again`, withVerb('allowed', allowed)));
  },
};
