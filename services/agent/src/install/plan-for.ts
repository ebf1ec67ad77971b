import { launchd } from './launchd.js';
import type { Installation, Manager, ServicePlan } from './service-plan.js';
import { systemd } from './systemd.js';
import { sysvinit } from './sysvinit.js';
import { windowsTask } from './windows-task.js';

const PLANS: Readonly<Record<Manager, (installation: Installation) => ServicePlan>> = {
  systemd,
  sysvinit,
  launchd,
  'windows-task': windowsTask,
};

/** The files and command lines for a service of this manager. */
export function planFor(manager: Manager, installation: Installation): ServicePlan {
  return PLANS[manager](installation);
}
