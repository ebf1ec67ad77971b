import { findAction, parseBinding, parseParams, type Fault } from '@muster/actions';
import { setLabels } from './agent-labels.js';
import { allowQuery } from './allow-query.js';
import type { ActionCall, ActionHost, ActionImplementations, ActionResult, JsonValue } from './contract/action.js';
import { ISOLATION_ACTIONS } from './isolation/isolate-host.js';
import { LINUX_ACTIONS } from './linux/linux-actions.js';
import { MACOS_ACTIONS } from './macos/macos-actions.js';
import { LINUX_PACKAGE_ACTIONS } from './packages/remove-package.js';
import { FILE_ACTIONS } from './quarantine/quarantine-file.js';
import { failed, refused, stopped, unsupported } from './contract/results.js';
import { launchd } from './service-managers/launchd.js';
import { SERVICE_COLUMNS, serviceActions } from './service-managers/service-actions.js';
import { serviceControl } from './service-managers/windows-services.js';
import { WINDOWS_ACTIONS } from './windows/windows-actions.js';

/** The actions of this endpoint. */
export interface Actions {
  /** Runs an action. Failures are results; it never throws. */
  run(call: ActionCall): Promise<ActionResult>;
  /** Undoes what `originalAction` did. `kept` is what that action saved when it ran. */
  undo(call: ActionCall, originalAction: string, kept: JsonValue): Promise<ActionResult>;
}

/** Creates the actions of the host's platform. */
export function createActions(host: ActionHost): Actions {
  const implementations = implementationsOf(host.platform);
  const guarded = async (call: ActionCall, work: () => Promise<ActionResult>): Promise<ActionResult> => {
    if (call.signal.aborted) return stopped(call.signal);
    try {
      return await work();
    } catch (error) {
      host.logger.error('an action threw an exception', { command: call.id, action: call.action.name, error });
      return failed(
        'internal',
        `the agent could not finish it: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
  return {
    run: (call) =>
      guarded(call, async () => {
        const implementation = own(implementations, call.action.name);
        if (implementation === undefined) return missing(call.action.name, host);
        const checked = checkCall(call);
        return 'state' in checked ? checked : await implementation.run(checked);
      }),
    undo: (call, originalAction, kept) =>
      guarded(call, async () => {
        const undo = own(implementations, originalAction)?.undo;
        if (undo === undefined) return unsupported('not_undoable', `${originalAction} cannot be undone here`);
        return await undo(call, kept);
      }),
  };
}

function implementationsOf(platform: ActionHost['platform']): ActionImplementations {
  const everywhere = {
    ...FILE_ACTIONS,
    ...ISOLATION_ACTIONS,
    'agent.set_labels': setLabels,
    'agent.allow_query': allowQuery,
  };
  switch (platform) {
    case 'linux':
      return { ...everywhere, ...LINUX_ACTIONS, ...LINUX_PACKAGE_ACTIONS, ...serviceActions() };
    case 'windows':
      return { ...everywhere, ...WINDOWS_ACTIONS, ...serviceActions(() => serviceControl, SERVICE_COLUMNS) };
    case 'darwin':
      return { ...everywhere, ...MACOS_ACTIONS, ...serviceActions(() => launchd(), SERVICE_COLUMNS) };
  }
}

/** Validates against this agent's catalogue. The signer may have used another version of it. */
function checkCall(call: ActionCall): ActionCall | ActionResult {
  const params = parseParams(call.action, call.params, { bound: call.binding !== undefined });
  if (!params.ok) return refused('bad_params', sentence(params.faults));
  if (call.binding === undefined) return { ...call, params: params.params };
  const binding = parseBinding(call.action, call.binding);
  if (!binding.ok) return refused('bad_params', sentence(binding.faults));
  return { ...call, params: params.params, binding: binding.binding };
}

function sentence(faults: readonly Fault[]): string {
  return faults.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ');
}

function missing(name: string, { platform }: ActionHost): ActionResult {
  const known = findAction(name);
  if (known !== undefined && !known.platforms.includes(platform)) {
    return unsupported('platform', `${name} is for ${known.platforms.join(' and ')}; this endpoint runs ${platform}`);
  }
  return unsupported('unknown_action', `this agent has no ${name} for ${platform}`);
}

function own(implementations: ActionImplementations, name: string): ActionImplementations[string] | undefined {
  return Object.hasOwn(implementations, name) ? implementations[name] : undefined;
}
