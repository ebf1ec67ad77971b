import { daemonsOf, type Daemon } from './activity.js';
import type { Machine } from './machine.js';
import { perHost, perImage, type Row, type SimulatedTables } from './simulated-table.js';
import { seeded } from './seeded.js';

/** Tables of processes, services and ports. */

interface Running {
  readonly daemon: Daemon;
  readonly pid: number;
  readonly first: boolean;
}

/** The processes of a machine: the same programs as its image, under its own process ids. */
function running(machine: Machine): Running[] {
  const all: Running[] = [];
  let pid = 1;
  for (const daemon of daemonsOf(machine.profile.os, machine.profile.role, machine.suspicious)) {
    for (let i = 0; i < daemon.processes; i += 1) {
      all.push({ daemon, pid, first: i === 0 });
      pid += 1 + (seeded(machine.seed, machine.index, `${daemon.name}${i}`) % 97);
    }
  }
  return all;
}

function processes(machine: Machine): Row[] {
  const bootTime = 1_729_000_000 + (seeded(machine.seed, machine.index, 'boot') % 2_500_000);
  return running(machine).map(({ daemon, pid, first }) => ({
    pid,
    name: daemon.name,
    path: daemon.path,
    cmdline: first ? daemon.path : `${daemon.path} worker`,
    state: 'S',
    cwd: '/',
    root: '/',
    uid: daemon.user === 'root' || daemon.user === 'SYSTEM' ? 0 : 1000,
    gid: daemon.user === 'root' ? 0 : 1000,
    parent: pid === 1 ? 0 : 1,
    start_time: bootTime + pid,
    threads: 1 + (pid % 7),
    resident_size: (4 + (pid % 200)) * 1_048_576,
    total_size: (40 + (pid % 2000)) * 1_048_576,
    on_disk: 1,
  }));
}

function listeningPorts(machine: Machine): Row[] {
  return running(machine)
    .filter(({ first }) => first)
    .flatMap(({ daemon, pid }) =>
      daemon.ports.map((port) => ({ pid, port, protocol: 6, family: 2, address: '0.0.0.0', path: '' })),
    );
}

function services(machine: Machine): Row[] {
  return daemonsOf('windows', machine.profile.role, false).map(({ name, path }, i) => ({
    name: name.replace(/\.exe$/i, ''),
    display_name: name,
    service_type: 'OWN_PROCESS',
    status: i % 5 === 4 ? 'STOPPED' : 'RUNNING',
    start_type: i % 5 === 4 ? 'DEMAND_START' : 'AUTO_START',
    path,
    user_account: 'LocalSystem',
  }));
}

function systemdUnits(machine: Machine): Row[] {
  return daemonsOf('linux', machine.profile.role, false).map(({ name, path }) => ({
    id: `${name}.service`,
    description: `${name} daemon`,
    load_state: 'loaded',
    active_state: 'active',
    sub_state: 'running',
    fragment_path: `/usr/lib/systemd/system/${name}.service`,
    source_path: path,
    unit_file_state: 'enabled',
  }));
}

function launchd(machine: Machine): Row[] {
  return daemonsOf('darwin', machine.profile.role, false).map(({ name, path }) => ({
    label: `com.example.${name.toLowerCase()}`,
    name: `com.example.${name.toLowerCase()}.plist`,
    path: `/Library/LaunchDaemons/com.example.${name.toLowerCase()}.plist`,
    program: path,
    run_at_load: '1',
  }));
}

const ACTIVITY: SimulatedTables = new Map([
  ['processes', perHost(processes)],
  ['listening_ports', perHost(listeningPorts)],
]);

export const LINUX_PROCESS_TABLES: SimulatedTables = new Map([...ACTIVITY, ['systemd_units', perImage(systemdUnits)]]);
export const WINDOWS_PROCESS_TABLES: SimulatedTables = new Map([...ACTIVITY, ['services', perImage(services)]]);
export const MAC_PROCESS_TABLES: SimulatedTables = new Map([...ACTIVITY, ['launchd', perImage(launchd)]]);
