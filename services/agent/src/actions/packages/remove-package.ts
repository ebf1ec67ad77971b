import type { ActionImplementations, ActionRunner } from '../contract/action.js';
import { refused, unsupported } from '../contract/results.js';
import { settle } from '../contract/settle.js';
import { removeDeb } from './dpkg.js';
import { packageTarget } from './package-target.js';
import { removeRpm } from './rpm.js';

const removePackage: ActionRunner = (call) =>
  settle(call, async () => {
    const { binding } = call;
    if (binding !== undefined && !('name' in binding && 'arch' in binding)) {
      return refused('bad_params', 'a row of deb_packages or of rpm_packages is needed here');
    }
    const target = packageTarget(call);
    const isRpmRow = target.release !== undefined;
    const removed = (isRpmRow ? undefined : await removeDeb(call, target)) ?? (await removeRpm(call, target));
    return removed ?? unsupported('no_package_manager', 'this machine has neither dpkg nor rpm');
  });

/** `package.remove` on Linux. */
export const LINUX_PACKAGE_ACTIONS: ActionImplementations = { 'package.remove': { run: removePackage } };
