import type { Facts } from '@muster/protocol';
import type { Role } from './profile.js';

/** The programs that run on each kind of machine, and the ports on which they listen. */

export interface Daemon {
  readonly name: string;
  readonly path: string;
  readonly user: string;
  /** TCP ports. */
  readonly ports: readonly number[];
  readonly processes: number;
}

function daemon(path: string, user: string, ports: readonly number[] = [], processes = 1): Daemon {
  const name = path.split(/[\\/]/).at(-1) ?? path;
  return { name, path, user, ports, processes };
}

const LINUX: readonly Daemon[] = [
  daemon('/usr/lib/systemd/systemd', 'root'),
  daemon('/usr/lib/systemd/systemd-journald', 'root'),
  daemon('/usr/lib/systemd/systemd-udevd', 'root'),
  daemon('/usr/lib/systemd/systemd-logind', 'root'),
  daemon('/usr/bin/dbus-daemon', 'messagebus'),
  daemon('/usr/sbin/cron', 'root'),
  daemon('/usr/sbin/rsyslogd', 'root'),
  daemon('/usr/sbin/chronyd', '_chrony'),
  daemon('/usr/sbin/sshd', 'root', [22]),
];

const WINDOWS: readonly Daemon[] = [
  daemon('C:\\Windows\\System32\\smss.exe', 'SYSTEM'),
  daemon('C:\\Windows\\System32\\csrss.exe', 'SYSTEM', [], 2),
  daemon('C:\\Windows\\System32\\services.exe', 'SYSTEM', [49_664]),
  daemon('C:\\Windows\\System32\\lsass.exe', 'SYSTEM', [49_665]),
  daemon('C:\\Windows\\System32\\svchost.exe', 'SYSTEM', [135, 445], 24),
  daemon('C:\\Windows\\System32\\spoolsv.exe', 'SYSTEM'),
  daemon('C:\\Windows\\explorer.exe', 'user'),
];

const DARWIN: readonly Daemon[] = [
  daemon('/sbin/launchd', 'root'),
  daemon('/usr/libexec/logd', 'root'),
  daemon('/usr/sbin/mDNSResponder', '_mdnsresponder'),
  daemon('/System/Library/CoreServices/Finder.app/Contents/MacOS/Finder', 'user'),
  daemon('/usr/libexec/rapportd', 'user', [49_152]),
];

const BASE: Readonly<Record<Facts['os'], readonly Daemon[]>> = { linux: LINUX, windows: WINDOWS, darwin: DARWIN };

const LINUX_ROLES: Readonly<Partial<Record<Role, readonly Daemon[]>>> = {
  web: [daemon('/usr/sbin/nginx', 'www-data', [80, 443], 5), daemon('/usr/sbin/php-fpm8.2', 'www-data', [], 6)],
  db: [
    daemon('/usr/lib/postgresql/15/bin/postgres', 'postgres', [5432], 9),
    daemon('/usr/bin/redis-server', 'redis', [6379]),
  ],
  app: [
    daemon('/usr/bin/java', 'app', [8080, 8443]),
    daemon('/usr/bin/node', 'app', [3000], 2),
    daemon('/usr/bin/containerd', 'root'),
  ],
  build: [
    daemon('/usr/bin/dockerd', 'root'),
    daemon('/usr/bin/containerd', 'root'),
    daemon('/opt/runner/bin/runner', 'ci', [], 4),
  ],
  developer: [
    daemon('/usr/bin/gnome-shell', 'user'),
    daemon('/usr/share/code/code', 'user', [], 8),
    daemon('/usr/bin/dockerd', 'root'),
  ],
};

const WINDOWS_ROLES: Readonly<Partial<Record<Role, readonly Daemon[]>>> = {
  office: [
    daemon('C:\\Program Files\\Microsoft Office\\root\\Office16\\OUTLOOK.EXE', 'user'),
    daemon('C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe', 'user', [], 11),
  ],
  developer: [
    daemon('C:\\Program Files\\Microsoft VS Code\\Code.exe', 'user', [], 9),
    daemon('C:\\Program Files\\nodejs\\node.exe', 'user', [3000]),
  ],
  db: [daemon('C:\\Program Files\\Microsoft SQL Server\\MSSQL16\\MSSQL\\Binn\\sqlservr.exe', 'SYSTEM', [1433])],
  app: [daemon('C:\\Windows\\System32\\inetsrv\\w3wp.exe', 'SYSTEM', [80, 443], 3)],
  directory: [
    daemon('C:\\Windows\\System32\\dns.exe', 'SYSTEM', [53]),
    daemon('C:\\Windows\\System32\\dfsrs.exe', 'SYSTEM', [5722]),
  ],
};

const DARWIN_ROLES: Readonly<Partial<Record<Role, readonly Daemon[]>>> = {
  developer: [
    daemon('/Applications/Visual Studio Code.app/Contents/MacOS/Electron', 'user', [], 7),
    daemon('/Applications/Docker.app/Contents/MacOS/Docker', 'user'),
  ],
  design: [daemon('/Applications/Figma.app/Contents/MacOS/Figma', 'user', [], 4)],
  office: [daemon('/Applications/Microsoft Excel.app/Contents/MacOS/Microsoft Excel', 'user')],
};

const ROLES = { linux: LINUX_ROLES, windows: WINDOWS_ROLES, darwin: DARWIN_ROLES } as const;

/** The suspicious program that a few machines of each fleet run. */
const SUSPECT: Readonly<Record<Facts['os'], Daemon>> = {
  linux: daemon('/tmp/.x/xmrig', 'www-data', [4444]),
  windows: daemon('C:\\Users\\Public\\abc.exe', 'user', [4444]),
  darwin: daemon('/private/tmp/.x/updater', 'user', [4444]),
};

/** Everything that runs on a machine of this kind. */
export function daemonsOf(os: Facts['os'], role: Role, suspicious: boolean): readonly Daemon[] {
  const daemons = [...BASE[os], ...(ROLES[os][role] ?? [])];
  return suspicious ? [...daemons, SUSPECT[os]] : daemons;
}
