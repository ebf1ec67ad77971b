import { readFileSync } from 'node:fs';
import { parseShow } from '../../tables/linux/parse/systemd.js';
import type { ActionCall, ProgramResult } from '../contract/action.js';
import type { ServiceManager, ServiceVerb } from './service-manager.js';

const PROPERTIES = ['Id', 'LoadState', 'ActiveState', 'SubState', 'FragmentPath', 'TriggeredBy'];
/** Units that are something which can run. Mounts, slices, scopes and targets are the machine itself. */
const STOPPABLE = /\.(service|socket|timer|path)$/;
const SUFFIX = /\.(service|socket|timer|path|target|mount|automount|swap|slice|scope|device)$/;
/** Without these nothing can be started, stopped or logged into any more. */
const CRITICAL = /^(dbus(-broker)?|systemd-(journald|udevd|logind)[^.]*)\.(service|socket)$/;
/** To start one of these ends or suspends the machine. */
const SHUTDOWN_UNITS =
  /^(systemd-(poweroff|reboot|halt|kexec|soft-reboot|suspend|hibernate|hybrid-sleep|suspend-then-hibernate)|emergency|rescue)\.service$/;
/** Units that pull the agent down with them are looked for this many steps away. */
const MAX_REQUIRED_UNITS = 32;

/** systemd through systemctl, which waits for the job that it starts. */
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

  change(call, { id }, verb) {
    return systemctl(call, [verb, '--no-ask-password', '--', id], { waits: true });
  },
};

async function protectionReason(call: ActionCall, id: string, verb: ServiceVerb): Promise<string | undefined> {
  if (!STOPPABLE.test(id)) return `${id} is no service`;
  if (SHUTDOWN_UNITS.test(id)) return `${id} would end or suspend the machine`;
  if (verb === 'start') return undefined;
  if (CRITICAL.test(id)) return `${id} is what other services depend on`;
  const agent = agentUnit();
  if (agent === undefined) return undefined;
  if (id === agent) return `${id} runs the agent`;
  return (await unitsRequiredBy(call, agent)).has(id) ? `the agent's service stops with ${id}` : undefined;
}

/** The unit that the agent runs in, by its control group. */
function agentUnit(): string | undefined {
  try {
    return unitOfCgroups(readFileSync('/proc/self/cgroup', 'utf8'));
  } catch {
    return undefined;
  }
}

/** The innermost service of `/proc/<pid>/cgroup`. */
export function unitOfCgroups(text: string): string | undefined {
  const paths = text.split('\n').map((line) => line.split(':').slice(2).join(':'));
  const units = paths.flatMap((path) => path.split('/').filter((part) => part.endsWith('.service')));
  return units.at(-1);
}

/** What the agent's unit is bound to, and what that is bound to: to stop one of them stops the agent. */
async function unitsRequiredBy(call: ActionCall, unit: string): Promise<ReadonlySet<string>> {
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

async function show(
  call: ActionCall,
  units: readonly string[],
  properties: readonly string[],
): Promise<ReadonlyMap<string, string>[]> {
  const { code, stdout } = await systemctl(call, ['show', `--property=${properties.join(',')}`, '--', ...units]);
  return code === 0 ? [...parseShow(stdout)] : [];
}

/** A start or stop has as long as the action; the rest must answer at once. */
function systemctl(call: ActionCall, args: readonly string[], { waits = false } = {}): Promise<ProgramResult> {
  const { host, action, signal } = call;
  return host.run('systemctl', args, { signal, ...(waits && { timeoutMs: action.timeoutMs }) });
}
