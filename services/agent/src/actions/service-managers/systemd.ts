import { System } from '../../tables/contract/system.js';
import { parseShow } from '../../tables/linux/parse/systemd.js';
import type { ActionCall } from '../contract/action.js';
import { runOrStop } from '../contract/settle.js';
import type { ServiceManager, ServiceVerb } from './service-manager.js';

const PROPERTIES = ['Id', 'LoadState', 'ActiveState', 'SubState', 'FragmentPath', 'TriggeredBy'];
/** Unit types that can be started and stopped. Mounts, slices, scopes and targets are part of the machine itself. */
const STOPPABLE = /\.(service|socket|timer|path)$/;
const SUFFIX = /\.(service|socket|timer|path|target|mount|automount|swap|slice|scope|device)$/;
/** Without these no service can be started or stopped, and nobody can log in. */
const CRITICAL = /^(dbus(-broker)?|systemd-(journald|udevd|logind)[^.]*)\.(service|socket)$/;
/** Starting one of these stops or suspends the machine. */
const SHUTDOWN_UNITS =
  /^(systemd-(poweroff|reboot|halt|kexec|soft-reboot|suspend|hibernate|hybrid-sleep|suspend-then-hibernate)|emergency|rescue)\.service$/;
/** Limit for the search for units that stop the agent when they stop. */
const MAX_REQUIRED_UNITS = 32;

/** systemd, through systemctl, which waits for its job. */
export const systemd: ServiceManager = {
  kind: 'systemd',

  async find(call, name, verb) {
    const [unit] = await show(call, [SUFFIX.test(name) ? name : `${name}.service`], PROPERTIES);
    const value = (key: string): string => unit?.get(key) ?? '';
    if (unit === undefined || value('LoadState') === 'not-found') return undefined;
    const protectedBecause = await protectionReason(call, value('Id'), verb);
    const triggeredBy = value('TriggeredBy');
    return {
      id: value('Id'),
      running: ['active', 'reloading', 'activating', 'deactivating'].includes(value('ActiveState')),
      status: `${value('ActiveState')} (${value('SubState')})`,
      definition: value('FragmentPath'),
      ...(protectedBecause !== undefined && { protectedBecause }),
      ...(triggeredBy !== '' && { triggeredBy }),
    };
  },

  /** It waits for its job, which may take as long as the action. */
  change({ host, action, signal }, { id }, verb) {
    return host.run('systemctl', [verb, '--no-ask-password', '--', id], { signal, timeoutMs: action.timeoutMs });
  },
};

async function protectionReason(call: ActionCall, id: string, verb: ServiceVerb): Promise<string | undefined> {
  if (!STOPPABLE.test(id)) return `${id} is no service`;
  if (SHUTDOWN_UNITS.test(id)) return `${id} would end or suspend the machine`;
  if (verb === 'start') return undefined;
  if (CRITICAL.test(id)) return `${id} is what other services depend on`;
  const agent = unitOfCgroups(new System().text('/proc/self/cgroup') ?? '');
  if (agent === undefined) return undefined;
  if (id === agent) return `${id} runs the agent`;
  return (await unitsRequiredBy(call, agent)).has(id) ? `the agent's service stops with ${id}` : undefined;
}

/** The innermost service in a `/proc/<pid>/cgroup`. */
export function unitOfCgroups(text: string): string | undefined {
  const paths = text.split('\n').map((line) => line.split(':').slice(2).join(':'));
  const units = paths.flatMap((path) => path.split('/').filter((part) => part.endsWith('.service')));
  return units.at(-1);
}

/** The units that the agent's unit depends on, transitively. Stopping one of them stops the agent. @throws ActionStop without an answer. */
export async function unitsRequiredBy(call: ActionCall, unit: string): Promise<ReadonlySet<string>> {
  const required = new Set<string>();
  let level = [unit];
  while (level.length > 0 && required.size < MAX_REQUIRED_UNITS) {
    const shown = await show(call, level, ['Requires', 'Requisite', 'BindsTo', 'PartOf']);
    const next = shown.flatMap((values) => [...values.values()].flatMap((value) => value.split(' ')));
    level = next.filter((id) => id !== '' && !required.has(id));
    for (const id of level) required.add(id);
  }
  return required;
}

/** An unknown unit is shown, too: without an answer nothing is known of any. */
async function show(
  { host, signal }: ActionCall,
  units: readonly string[],
  properties: readonly string[],
): Promise<ReadonlyMap<string, string>[]> {
  const args = ['show', `--property=${properties.join(',')}`, '--', ...units];
  return [...parseShow(await runOrStop(host, 'systemctl', args, { signal }))];
}
