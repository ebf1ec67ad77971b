import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { parseEnviron } from './parse/proc.js';
import { pidsOf } from './pids.js';

/** What the agent was given to prove itself with; who may ask questions may not become an endpoint by it. */
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|KEY|(HTTPS?|ALL)_PROXY/i;

export const processEnvs: Collector = {
  table: 'process_envs',
  *collect(system, request) {
    for (const pid of pidsOf(system, request)) {
      const own = isOurs(system, pid);
      for (const [key, value] of parseEnviron(system.text(`/proc/${pid}/environ`) ?? '')) {
        yield { pid, key, value: own && SECRET_NAME.test(key) ? null : value };
      }
    }
  },
};

/** Not by the process's id alone: /proc answers to the ids of our threads as well, with the same environment. */
function isOurs(system: System, pid: number): boolean {
  return system.live && system.exists(`/proc/self/task/${pid}`);
}
