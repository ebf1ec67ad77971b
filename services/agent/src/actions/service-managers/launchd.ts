import { existsSync } from 'node:fs';
import { failed } from '../contract/results.js';
import { ActionStop } from '../contract/settle.js';
import type { ServiceManager } from './service-manager.js';

const LAUNCHCTL = '/bin/launchctl';
const FOLDER = '/Library/LaunchDaemons';
/** Exit code of launchctl for an unknown service. */
const NOT_FOUND = 113;

/** launchd's system domain. Stopping unloads a job until the next boot, because launchd would start it again otherwise. */
export function launchd(exists: (path: string) => boolean = existsSync): ServiceManager {
  return {
    kind: 'launchd',

    async find({ host, signal }, name) {
      const { code, stdout, stderr } = await host.run(LAUNCHCTL, ['print', `system/${name}`], { signal });
      const file = `${FOLDER}/${name}.plist`;
      if (code === NOT_FOUND && exists(file))
        return { id: name, running: false, status: 'not loaded', definition: file };
      if (code === NOT_FOUND) return undefined;
      if (code !== 0) throw new ActionStop(failed('program_failed', `launchctl ended with ${code}: ${stderr.trim()}`));
      const state = /^\s*state = (.+)$/m.exec(stdout)?.[1] ?? 'unknown';
      return {
        id: name,
        // launchd starts a loaded job on demand, so loaded counts as running.
        running: true,
        status: `loaded, ${state}`,
        definition: /^\s*path = (.+)$/m.exec(stdout)?.[1] ?? '',
        ...(name.startsWith('com.apple.') && { protectedBecause: `${name} is part of macOS` }),
        ...(name.startsWith('io.muster.') && { protectedBecause: `${name} is the agent` }),
      };
    },

    change({ host, signal, action }, { id, definition }, verb) {
      const args = {
        stop: ['bootout', `system/${id}`],
        start: ['bootstrap', 'system', definition],
        restart: ['kickstart', '-k', `system/${id}`],
      }[verb];
      return host.run(LAUNCHCTL, args, { signal, timeoutMs: action.timeoutMs });
    },
  };
}
