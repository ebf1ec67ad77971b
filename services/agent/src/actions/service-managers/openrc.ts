import { failed } from '../contract/results.js';
import { ActionStop } from '../contract/settle.js';
import type { ServiceManager } from './service-manager.js';

/** Exit code of `--exists` where there is no such service. */
const UNKNOWN = 1;
/** Exit codes of `status`. */
const RUNNING = 0;
const STOPPED = 3;

/** OpenRC (Alpine, Gentoo), through rc-service. */
export const openrc: ServiceManager = {
  kind: 'OpenRC',

  async find({ host, signal }, name) {
    const exists = await host.run('rc-service', ['--exists', '--', name], { signal });
    if (exists.code === UNKNOWN) return undefined;
    if (exists.code !== 0) {
      throw new ActionStop(failed('program_failed', `rc-service ended with ${exists.code}: ${exists.stderr.trim()}`));
    }
    const { code, stdout } = await host.run('rc-service', ['--', name, 'status'], { signal });
    return {
      id: name,
      running: code === RUNNING ? true : code === STOPPED ? false : undefined,
      status: /status: (\w+)/.exec(stdout)?.[1] ?? `status ${code}`,
      definition: `/etc/init.d/${name}`,
    };
  },

  change({ host, action, signal }, { id }, verb) {
    return host.run('rc-service', ['--', id, verb], {
      signal,
      timeoutMs: action.timeoutMs,
      ...(verb !== 'stop' && { output: 'ignore' }),
    });
  },
};
