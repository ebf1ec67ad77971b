import { lstatSync, realpathSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ActionCall, ActionImplementation } from '../contract/action.js';
import { failed, refused, succeeded, unchanged, wouldDo } from '../contract/results.js';
import { callText } from '../contract/call-values.js';
import { ActionStop, runOrStop, settle } from '../contract/settle.js';

/** The folders where users install applications. Those of macOS are on a read-only volume. */
const FOLDERS = [/^\/Applications$/, /^\/Applications\/[^/]+$/, /^\/Users\/[^/]+\/Applications$/];

/** File system checks. Tests replace them. */
export interface FolderProbe {
  /** `undefined` when nothing is there; false when it is not a folder or its path contains a link. */
  isFolder(path: string): boolean | undefined;
}

const thisMachine: FolderProbe = {
  isFolder(path) {
    try {
      return lstatSync(path).isDirectory() && realpathSync(path) === path;
    } catch {
      return undefined;
    }
  },
};

/** `package.remove`. Removes the application's folder only, not what it created elsewhere. */
export function removeApplication(probe: FolderProbe = thisMachine): ActionImplementation {
  return {
    run: (call) =>
      settle(call, async () => {
        const { host, binding } = call;
        const path = pathOf(call);
        const folder = dirname(path);
        const isInstalled = FOLDERS.some((pattern) => pattern.test(folder)) && path.endsWith('.app');
        if (!isInstalled)
          return refused('protected', `${path} is not an application in one of the Applications folders`);
        const isFolder = probe.isFolder(path);
        if (isFolder === undefined)
          return binding === undefined ? unchanged(`${path} is not there`) : refused('changed', `${path} is gone`);
        if (!isFolder) return refused('symlink', `${path} is not a folder, or leads elsewhere`);
        const identifier = await infoOf(call, path, 'CFBundleIdentifier');
        const version = await infoOf(call, path, 'CFBundleShortVersionString');
        const { bundle_identifier: id, bundle_short_version: short } = binding ?? {};
        if (id !== undefined && id !== identifier)
          return refused('changed', `${path} is ${identifier} now, not ${String(id)}`);
        const target = short ?? call.params['version'];
        if (target !== undefined && target !== version) return refused('changed', `${path} has version ${version} now`);
        const name = basename(path, '.app');
        const why = host.protect.name(name, identifier) ?? host.protect.path(path);
        if (why !== undefined) return refused('protected', why);
        const what = `${path} (${identifier} ${version})`;
        if (call.dryRun) return wouldDo('1 application would be removed', [`remove ${what}`]);
        call.signal.throwIfAborted();
        await runOrStop(host, '/bin/rm', ['-rf', '--', path], { timeoutMs: 300_000 });
        if (probe.isFolder(path) !== undefined) return failed('still_installed', `${path} is still there`);
        return succeeded('1 application removed', [`removed ${what}`]);
      }),
  };
}

function pathOf(call: ActionCall): string {
  const path = callText(call, 'path') ?? `/Applications/${callText(call, 'name')}.app`;
  if (path.split('/').some((part) => part === '..' || part === '.')) {
    throw new ActionStop(refused('bad_params', 'a row of apps, or the name of an application is needed here'));
  }
  return path;
}

async function infoOf({ host }: ActionCall, path: string, key: string): Promise<string> {
  const args = ['-extract', key, 'raw', '-o', '-', `${path}/Contents/Info.plist`];
  const { code, stdout } = await host.run('/usr/bin/plutil', args, {});
  return code === 0 ? stdout.trim() : '';
}
