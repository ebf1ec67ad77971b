import type { Machine } from './machine.js';
import { perHost, perImage, type Row, type SimulatedTables } from './simulated-table.js';
import { seeded, seededPick } from './seeded.js';

/** Tables about the machine itself, on all operating systems. */

const HARDWARE: readonly [readonly [string, string], ...(readonly [string, string])[]] = [
  ['Dell Inc.', 'PowerEdge R650'],
  ['HPE', 'ProLiant DL360 Gen10'],
  ['LENOVO', 'ThinkPad T14 Gen 4'],
  ['VMware, Inc.', 'VMware7,1'],
];

function osVersion({ profile }: Machine): Row[] {
  const [major = '0', minor = '0', patch = '0'] = profile.osVersion.split('.');
  return [
    {
      name: profile.osName,
      version: `${profile.osVersion} (${profile.codename})`,
      major: Number(major),
      minor: Number(minor),
      patch: Number(patch),
      build: profile.os === 'windows' ? patch : '',
      platform: profile.packages === 'deb' ? (profile.osName.split(' ')[0]?.toLowerCase() ?? '') : profile.os,
      platform_like: profile.packages === 'deb' ? 'debian' : profile.os,
      codename: profile.codename,
      arch: profile.arch,
    },
  ];
}

function systemInfo(machine: Machine): Row[] {
  const { seed, index, profile, facts } = machine;
  const cores = 2 << (seeded(seed, index, 'cores') % 5);
  const [vendor, model] =
    profile.os === 'darwin'
      ? (['Apple Inc.', 'MacBookPro18,3'] as const)
      : seededPick(seed, index, 'hardware', HARDWARE);
  return [
    {
      hostname: facts.host,
      computer_name: facts.host,
      local_hostname: facts.host,
      uuid: uuid(seed, index),
      cpu_type: profile.arch,
      cpu_brand: profile.arch === 'x86_64' ? 'Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz' : 'ARM Neoverse N1',
      cpu_physical_cores: cores / 2,
      cpu_logical_cores: cores,
      cpu_sockets: 1,
      physical_memory: cores * 4 * 1_073_741_824,
      hardware_vendor: vendor,
      hardware_model: model,
      hardware_serial: `SIM${String(index).padStart(7, '0')}`,
    },
  ];
}

function users({ profile }: Machine): Row[] {
  if (profile.os === 'windows') {
    return ['Administrator', 'DefaultAccount', 'Guest', 'svc-backup'].map((username, i) => ({
      username,
      uid: 500 + i,
      gid: 513,
      description: i === 0 ? 'Built-in account for administering the computer' : '',
      directory: `C:\\Users\\${username}`,
      shell: 'C:\\Windows\\system32\\cmd.exe',
      uuid: `S-1-5-21-1004336348-1177238915-682003330-${500 + i}`,
      type: 'local',
    }));
  }
  const system = ['root', 'daemon', 'bin', 'sys', 'nobody', profile.role];
  return system.map((username, i) => ({
    username,
    uid: username === 'root' ? 0 : i,
    gid: username === 'root' ? 0 : i,
    uid_signed: i,
    gid_signed: i,
    description: username,
    directory: username === 'root' ? '/root' : `/home/${username}`,
    shell: username === 'root' ? '/bin/bash' : '/usr/sbin/nologin',
    uuid: '',
  }));
}

function uptime({ seed, index }: Machine): Row[] {
  const seconds = seeded(seed, index, 'uptime') % 8_000_000;
  return [
    {
      days: Math.floor(seconds / 86_400),
      hours: Math.floor(seconds / 3_600) % 24,
      minutes: Math.floor(seconds / 60) % 60,
      seconds: seconds % 60,
      total_seconds: seconds,
    },
  ];
}

function interfaceName({ profile }: Machine): string {
  if (profile.os === 'windows') return '6';
  return profile.os === 'darwin' ? 'en0' : 'eth0';
}

function interfaceAddresses(machine: Machine): Row[] {
  const name = interfaceName(machine);
  return [
    { interface: 'lo', address: '127.0.0.1', mask: '255.0.0.0', type: 'manual' },
    { interface: name, address: machine.address, mask: '255.255.192.0', broadcast: '10.255.255.255', type: 'dhcp' },
  ];
}

function mac(machine: Machine): string {
  const digits = seeded(machine.seed, machine.index, 'mac').toString(16).padStart(8, '0');
  return `02:00:${digits.replaceAll(/(..)(?=.)/g, '$1:')}`;
}

function interfaceDetails(machine: Machine): Row[] {
  return [
    {
      interface: interfaceName(machine),
      mac: mac(machine),
      type: 6,
      mtu: 1500,
      metric: 0,
      flags: 4163,
      link_speed: 10_000,
    },
  ];
}

function arpCache(machine: Machine): Row[] {
  const gateway = machine.address.replace(/\d+$/, '1');
  return [{ address: gateway, mac: '02:00:5e:00:01:01', interface: interfaceName(machine), permanent: '0' }];
}

function etcHosts({ profile }: Machine): Row[] {
  const names = profile.os === 'windows' ? 'localhost' : 'localhost localhost.localdomain';
  return [{ address: '127.0.0.1', hostnames: names }];
}

function uuid(seed: number, index: number): string {
  const digits = [0, 1, 2, 3].map((i) => seeded(seed, index, `uuid${i}`).toString(16).padStart(8, '0')).join('');
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-4${digits.slice(13, 16)}-a${digits.slice(17, 20)}-${digits.slice(20)}`;
}

export const HOST_TABLES: SimulatedTables = new Map([
  ['os_version', perImage(osVersion)],
  ['system_info', perHost(systemInfo)],
  ['users', perImage(users)],
  ['uptime', perHost(uptime)],
  ['interface_addresses', perHost(interfaceAddresses)],
  ['interface_details', perHost(interfaceDetails)],
  ['arp_cache', perHost(arpCache)],
  ['etc_hosts', perImage(etcHosts)],
]);
