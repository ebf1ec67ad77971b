import type { Machine } from './machine.js';
import { perImage, type Row, type SimulatedTables } from './simulated-table.js';
import { linuxPackages, windowsPrograms } from './software.js';
import { seeded } from './seeded.js';

/** Tables of installed software. */

function debPackages(machine: Machine): Row[] {
  if (machine.profile.packages !== 'deb') return [];
  const arch = machine.profile.arch === 'x86_64' ? 'amd64' : 'arm64';
  return linuxPackages(machine).map(({ name, version }) => ({
    name,
    version,
    source: name.startsWith('lib') ? name.replace(/[\d.-]+$/, '') : '',
    size: 20 + (seeded(1, name.length, name) % 40_000),
    arch,
    revision: version.split('-')[1] ?? '',
    status: 'install ok installed',
    maintainer:
      machine.profile.osName === 'Ubuntu'
        ? 'Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>'
        : 'Debian Team <team@tracker.debian.org>',
    section: name.startsWith('lib') ? 'libs' : 'admin',
    priority: 'optional',
  }));
}

function rpmPackages(machine: Machine): Row[] {
  if (machine.profile.packages !== 'rpm') return [];
  return linuxPackages(machine).map(({ name, version }) => {
    const [number = version, release = ''] = version.split('-');
    return {
      name,
      version: number,
      release,
      source: `${name}-${version}.src.rpm`,
      arch: 'x86_64',
      vendor: 'Rocky',
      epoch: 0,
    };
  });
}

function programs(machine: Machine): Row[] {
  return windowsPrograms(machine).map(({ name, version, publisher }) => ({
    name,
    version,
    publisher,
    install_location: `C:\\Program Files\\${name.split(' ')[0]}\\`,
    install_source: '',
    language: '1033',
    uninstall_string: `MsiExec.exe /X{${guid(name)}}`,
    install_date: '20241003',
    identifying_number: `{${guid(name)}}`,
  }));
}

function patches(machine: Machine): Row[] {
  return Array.from({ length: 9 - machine.patchLevel }, (_, i) => ({
    hotfix_id: `KB50${44_000 + i * 137}`,
    caption: `http://support.microsoft.com/?kbid=50${44_000 + i * 137}`,
    description: i % 3 === 0 ? 'Security Update' : 'Update',
    installed_on: `${10 + (i % 3)}/${8 + i}/2024`,
    installed_by: 'NT AUTHORITY\\SYSTEM',
  }));
}

const RUN = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run';
const CURRENT = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion';
const TERMINAL_SERVER = 'HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\Terminal Server';
const UNINSTALL = 'HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall';

function registry(machine: Machine): Row[] {
  const { profile } = machine;
  const value = (key: string, name: string, type: string, data: string): Row => ({
    key,
    path: `${key}\\${name}`,
    name,
    type,
    data,
    mtime: 1_727_000_000 + (seeded(3, name.length, name) % 4_000_000),
  });
  return [
    value(RUN, 'SecurityHealth', 'REG_EXPAND_SZ', '%windir%\\system32\\SecurityHealthSystray.exe'),
    value(RUN, 'VMware User Process', 'REG_SZ', '"C:\\Program Files\\VMware\\VMware Tools\\vmtoolsd.exe" -n vmusr'),
    value(CURRENT, 'ProductName', 'REG_SZ', profile.osName.replace('Microsoft ', '')),
    value(CURRENT, 'CurrentBuild', 'REG_SZ', profile.osVersion.split('.')[2] ?? ''),
    value(CURRENT, 'UBR', 'REG_DWORD', String(5000 - machine.patchLevel * 70)),
    value(TERMINAL_SERVER, 'fDenyTSConnections', 'REG_DWORD', profile.role === 'office' ? '1' : '0'),
    ...windowsPrograms(machine).map(({ name, version }) =>
      value(`${UNINSTALL}\\{${guid(name)}}`, 'DisplayVersion', 'REG_SZ', version),
    ),
  ];
}

const MAC_APPS = [
  'Safari',
  'Mail',
  'Google Chrome',
  'Slack',
  'zoom.us',
  'Microsoft Excel',
  'Microsoft Word',
  '1Password',
];
const MAC_ROLE_APPS: Readonly<Record<string, readonly string[]>> = {
  developer: ['Xcode', 'Visual Studio Code', 'Docker', 'iTerm', 'Postman'],
  design: ['Figma', 'Sketch', 'Adobe Photoshop 2024', 'Final Cut Pro'],
};

function apps(machine: Machine): Row[] {
  return [...MAC_APPS, ...(MAC_ROLE_APPS[machine.profile.role] ?? [])].map((name) => {
    const version = `${10 + (seeded(5, name.length, name) % 90)}.${4 - machine.patchLevel}`;
    return {
      name: `${name}.app`,
      path: `/Applications/${name}.app`,
      bundle_executable: name,
      bundle_identifier: `com.example.${name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')}`,
      bundle_name: name,
      bundle_short_version: version,
      bundle_version: `${version}.1`,
    };
  });
}

function guid(name: string): string {
  const digits = [0, 1, 2, 3]
    .map((i) => seeded(7, i, name).toString(16).padStart(8, '0'))
    .join('')
    .toUpperCase();
  return `${digits.slice(0, 8)}-${digits.slice(8, 12)}-${digits.slice(12, 16)}-${digits.slice(16, 20)}-${digits.slice(20)}`;
}

export const LINUX_PACKAGE_TABLES: SimulatedTables = new Map([
  ['deb_packages', perImage(debPackages)],
  ['rpm_packages', perImage(rpmPackages)],
]);

export const WINDOWS_PACKAGE_TABLES: SimulatedTables = new Map([
  ['programs', perImage(programs)],
  ['patches', perImage(patches)],
  ['registry', perImage(registry)],
]);

export const MAC_PACKAGE_TABLES: SimulatedTables = new Map([['apps', perImage(apps)]]);
