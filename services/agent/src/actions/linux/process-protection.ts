import { statSync } from 'node:fs';
import { basename, dirname, isAbsolute } from 'node:path';
import type { ActionHost } from '../contract/action.js';
import type { ProcessView } from './process-view.js';

/**
 * Returns why the endpoint's owner protects this process, or `undefined`. Every process can give itself any name, so that
 * a configured name counts only together with what a process cannot choose:
 *
 * - its program has that name and lies where only root can put it, or
 * - it is root's, and an interpreter runs a script of that name which lies where only root can put it.
 *
 * Others are protected by the path of their program. A process whose program cannot be seen is protected by its own
 * name, because nothing else is known.
 */
export function configuredProtection(view: ProcessView, host: ActionHost): string | undefined {
  const { protect } = host;
  const byPath = protect.path(view.path);
  if (byPath !== undefined) return byPath;
  if (view.path === '') return protect.name(view.name);
  const program = protect.name(basename(view.path));
  if (program !== undefined && isOfSystem(view, view.path, host)) return program;
  return view.uid === 0 ? protectedScript(view, host) : undefined;
}

function protectedScript(view: ProcessView, host: ActionHost): string | undefined {
  const script = view.args.slice(1, 3).find((argument) => isAbsolute(argument));
  const why = script === undefined ? undefined : host.protect.name(basename(script));
  return script !== undefined && why !== undefined && isOfSystem(view, script, host) ? why : undefined;
}

/** Groups with fixed ids of distributions, such as Debian's `staff`, which may write to /usr/local. */
const LAST_SYSTEM_GROUP = 99;

/** Whether only root can have put a file there: it and all folders above it are root's, and nobody else may write to them. */
function isOfSystem({ pid }: ProcessView, path: string, host: ActionHost): boolean {
  host.touch(path);
  try {
    for (let at = path; ; at = dirname(at)) {
      // Below the root of the process, which may be a container's.
      const { uid, gid, mode } = statSync(`/proc/${pid}/root${at}`);
      const isForGroup = (mode & 0o020) !== 0 && gid > LAST_SYSTEM_GROUP;
      if (uid !== 0 || isForGroup || (mode & 0o002) !== 0) return false;
      if (at === '/') return true;
    }
  } catch {
    return false;
  }
}
