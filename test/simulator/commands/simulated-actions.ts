import type { Labels } from '@muster/protocol';
import type { Machine } from '../machine/machine.js';
import { rowsOf } from '../machine/machine-tables.js';
import {
  changesOf,
  doing,
  ending,
  hide,
  isStill,
  named,
  unchanged,
  type Plan,
  type Undo,
  type ActionRequest,
} from './plan.js';

/**
 * The actions of the catalogue on a simulated machine. What they change shows in the machine's tables from then on. Where a machine has no
 * table for what an action changes (connections, logins), the action succeeds and changes nothing.
 */

type Planner = (machine: Machine, request: ActionRequest) => Plan;

function killProcess(machine: Machine, request: ActionRequest): Plan {
  const processes = rowsOf(machine, 'processes');
  const name = named(request, 'name');
  const pid = named(request, 'pid');
  const path = named(request, 'path');
  const found = processes.filter((row) =>
    name === undefined ? String(row['pid']) === String(pid) : row['name'] === name,
  );
  const matching = name === undefined ? found : found.filter((row) => path === undefined || row['path'] === path);
  const [first] = matching;
  if (first === undefined) return unchanged(`no process ${name ?? pid} runs any more`);
  const startTime = named(request, 'start_time');
  const isOther =
    !isStill(first, request.binding) ||
    (startTime !== undefined && String(startTime) !== String(first['start_time'])) ||
    (name === undefined && path !== undefined && path !== first['path']);
  if (isOther) return ending('refused', 'changed', `pid ${pid} is ${String(first['path'])} by now`);
  if (matching.some((row) => row['pid'] === 1)) return ending('refused', 'protected', 'pid 1 is protected');
  const pids = new Set(matching.map((row) => String(row['pid'])));
  return doing(
    matching.map((row) => `kill ${String(row['name'])} (pid ${String(row['pid'])})`),
    () => {
      for (const one of pids) {
        for (const table of ['processes', 'listening_ports']) {
          hide(machine, table, `pid ${one}`, (row) => String(row['pid']) === one);
        }
      }
      return undefined;
    },
  );
}

const SERVICE_TABLES = {
  linux: { table: 'systemd_units', key: 'id', running: { active_state: 'active', sub_state: 'running' } },
  windows: { table: 'services', key: 'name', running: { status: 'RUNNING' } },
  darwin: { table: 'launchd', key: 'label', running: { run_at_load: '1' } },
} as const;
const STOPPED = {
  linux: { active_state: 'inactive', sub_state: 'dead' },
  windows: { status: 'STOPPED' },
  darwin: { run_at_load: '0' },
} as const;

function controlService(verb: 'stop' | 'start' | 'restart'): Planner {
  return (machine, request) => {
    const { os } = machine.profile;
    const { table, key, running } = SERVICE_TABLES[os];
    const name = String(named(request, 'id', 'name', 'label'));
    const row = rowsOf(machine, table).find((one) => one[key] === name || one[key] === `${name}.service`);
    if (row === undefined) return ending('failed', 'not_found', `there is no service ${name}`);
    if (!isStill(row, request.binding)) return ending('refused', 'changed', `${name} is another service by now`);
    const after = verb === 'stop' ? STOPPED[os] : running;
    const isSo = Object.entries(after).every(([column, value]) => row[column] === value);
    if (isSo && verb !== 'restart') return unchanged(`${name} is so already`);
    return doing([`${verb} ${name}`], () =>
      changesOf(machine).set(table, name, (one) => (one[key] === row[key] ? { ...one, ...after } : one)),
    );
  };
}

function removePackage(machine: Machine, request: ActionRequest): Plan {
  const name = String(named(request, 'name', 'path'));
  for (const table of ['deb_packages', 'rpm_packages', 'programs', 'apps']) {
    const matches = (row: Readonly<Record<string, unknown>>): boolean =>
      [row['name'], row['path'], `${String(row['name'])}.app`].includes(name) || row['name'] === `${name}.app`;
    const row = rowsOf(machine, table).find(matches);
    if (row === undefined) continue;
    const version = named(request, 'version');
    if (!isStill(row, request.binding) || (version !== undefined && version !== row['version'])) {
      return ending('refused', 'changed', `${name} has version ${String(row['version'])} by now`);
    }
    return doing([`remove ${name} ${String(row['version'] ?? '')}`.trimEnd()], () => {
      hide(machine, table, name, matches);
      return undefined;
    });
  }
  return request.binding === null
    ? unchanged(`${name} is not installed`)
    : ending('refused', 'changed', `${name} is not installed any more`);
}

function quarantineFile(machine: Machine, request: ActionRequest): Plan {
  const path = String(named(request, 'path'));
  const row = rowsOf(machine, 'file').find((one) => one['path'] === path);
  if (row === undefined) return ending('failed', 'not_found', `there is no file ${path}`);
  const hash = rowsOf(machine, 'hash').find((one) => one['path'] === path);
  const sha256 = named(request, 'sha256');
  if (!isStill(row, request.binding) || (sha256 !== undefined && sha256 !== hash?.['sha256'])) {
    return ending('refused', 'changed', `${path} has another content by now`);
  }
  return doing([`quarantine ${path}`], () => {
    const undos = ['file', 'hash'].map((table) => hide(machine, table, `at ${path}`, (one) => one['path'] === path));
    return () => undos.forEach((undo) => undo());
  });
}

function restoreFile(machine: Machine, request: ActionRequest): Plan {
  const path = named(request, 'path', 'item');
  if (machine.changes?.has('file', `at ${path}`) !== true) {
    return ending('failed', 'not_found', `the quarantine has nothing from ${path}`);
  }
  return doing([`restore ${path}`], () => {
    for (const table of ['file', 'hash']) changesOf(machine).delete(table, `at ${path}`);
    return undefined;
  });
}

function deleteRegistry(below: boolean): Planner {
  return (machine, request) => {
    const path = String(named(request, 'path'));
    const matches = (row: Readonly<Record<string, unknown>>): boolean =>
      row['path'] === path || (below && `${String(row['path'])}\\`.startsWith(`${path}\\`));
    const rows = rowsOf(machine, 'registry').filter(matches);
    if (rows.length === 0) return unchanged(`there is no ${path}`);
    return doing(
      rows.map((row) => `delete ${String(row['path'])}`),
      () => hide(machine, 'registry', path, matches),
    );
  };
}

function flushArp(machine: Machine, request: ActionRequest): Plan {
  const [address, card] = [named(request, 'address'), named(request, 'interface')];
  const matches = (row: Readonly<Record<string, unknown>>): boolean =>
    (address === undefined || row['address'] === address) && (card === undefined || row['interface'] === card);
  const rows = rowsOf(machine, 'arp_cache').filter(matches);
  if (rows.length === 0) return unchanged('the cache is empty');
  return doing(
    rows.map((row) => `forget ${String(row['address'])}`),
    () => {
      hide(machine, 'arp_cache', `${address ?? ''} ${card ?? ''}`, matches);
      return undefined;
    },
  );
}

/** No table shows isolation; it is kept as a named change. */
function isolate(machine: Machine): Plan {
  if (machine.changes?.has('isolation', 'on') === true) return unchanged('the host is isolated already');
  return doing(['isolate the host'], () => changesOf(machine).set('isolation', 'on', (row) => row));
}

function release(machine: Machine): Plan {
  if (machine.changes?.has('isolation', 'on') !== true) return unchanged('the host is not isolated');
  return doing(['release the host'], () => {
    changesOf(machine).delete('isolation', 'on');
    return undefined;
  });
}

/** Selectors see the labels from the next session on. */
function setLabels(machine: Machine, { params }: ActionRequest): Plan {
  const before = machine.labels;
  const set = typeof params['set'] === 'object' && !Array.isArray(params['set']) ? (params['set'] ?? {}) : {};
  const removed = new Set(Array.isArray(params['remove']) ? params['remove'] : []);
  const after: Labels = Object.fromEntries(Object.entries({ ...before, ...set }).filter(([key]) => !removed.has(key)));
  const effects = [
    ...Object.entries(set).map(([key, value]) => `set ${key}=${value}`),
    ...[...removed].map((key) => `remove ${key}`),
  ];
  return doing(effects, (): Undo => {
    machine.labels = after;
    return () => {
      machine.labels = before;
    };
  });
}

const withoutTable =
  (what: string): Planner =>
  () =>
    doing([what], () => undefined);

const PLANNERS: ReadonlyMap<string, Planner> = new Map<string, Planner>([
  ['process.kill', killProcess],
  ['service.stop', controlService('stop')],
  ['service.start', controlService('start')],
  ['service.restart', controlService('restart')],
  ['connection.kill', withoutTable('end the connection')],
  ['registry.delete_value', deleteRegistry(false)],
  ['registry.delete_key', deleteRegistry(true)],
  ['package.remove', removePackage],
  ['arp.flush', flushArp],
  ['dns.flush', withoutTable('flush the DNS cache')],
  ['file.quarantine', quarantineFile],
  ['file.restore', restoreFile],
  ['host.isolate', isolate],
  ['host.release', release],
  ['session.logout', withoutTable('end the sessions')],
  // Simulated machines have no workers that a query could end.
  ['agent.allow_query', () => unchanged('no query is refused here for having ended its worker')],
  ['agent.set_labels', setLabels],
]);

/** What an action would do on this machine now. Actions that are missing here are `unsupported`. */
export function planAction(machine: Machine, request: ActionRequest): Plan {
  const { name } = request.action;
  return PLANNERS.get(name)?.(machine, request) ?? ending('unsupported', 'unknown_action', `no ${name} is simulated`);
}
