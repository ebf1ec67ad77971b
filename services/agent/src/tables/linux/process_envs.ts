import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { parseEnviron } from './parse/proc.js';
import { pidsOf } from './pids.js';

/** Credentials of the agent. Operators must not be able to impersonate the endpoint with them. */
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

/** Checks threads too: /proc also answers to thread ids, with the same environment. */
function isOurs(system: System, pid: number): boolean {
  return system.live && system.exists(`/proc/self/task/${pid}`);
}
