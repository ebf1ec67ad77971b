import type { ActionHost } from '../contract/action.js';
import { PROGRAM_PATH } from '../../host/program-files.js';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';

/** Folders whose files are never removed: kernel interfaces, boot files, and what logins need. */
const FOLDERS: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: [
    '/proc',
    '/sys',
    '/dev',
    '/boot',
    '/lib/modules',
    '/lib/systemd',
    '/etc/pam.d',
    '/var/lib/dpkg',
    '/var/lib/rpm',
  ],
  darwin: [
    '/System',
    '/usr/lib',
    '/bin',
    '/sbin',
    '/usr/bin',
    '/usr/sbin',
    '/dev',
    '/private/var/db',
    '/Library/Apple',
  ],
  win32: [
    'C:\\Windows\\System32\\config',
    'C:\\Windows\\System32\\drivers',
    'C:\\Windows\\Boot',
    'C:\\Windows\\WinSxS',
  ],
};

const SYSTEM32 = ['ntoskrnl', 'smss', 'csrss', 'wininit', 'winlogon', 'services', 'lsass', 'svchost'];
const FILES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  linux: [
    ...['passwd', 'shadow', 'group', 'gshadow', 'fstab', 'nsswitch.conf', 'ld.so.cache', 'ld.so.conf'].map(
      (n) => `/etc/${n}`,
    ),
    ...['sh', 'bash', 'dash', 'mount', 'login', 'su', 'dpkg', 'rpm', 'nft', 'systemctl'].map((n) => `/usr/bin/${n}`),
    ...['init', 'nft', 'sshd', 'agetty'].map((n) => `/usr/sbin/${n}`),
  ],
  win32: [
    ...SYSTEM32.map((name) => `C:\\Windows\\System32\\${name}.exe`),
    ...['ntdll', 'kernel32', 'kernelbase', 'user32', 'hal', 'ci'].map((name) => `C:\\Windows\\System32\\${name}.dll`),
    'C:\\Windows\\explorer.exe',
  ],
};

/** Identifies a file independent of its name. Hard links and bind mounts share it. */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Returns why this file is protected, or `undefined`. `path` has its links resolved. Protected are: the configured
 * paths, the lists above, the agent's program and data, and every file that the agent or the init process has mapped.
 * The latter covers the C library, the loader and init in every distribution.
 */
export function protectionReason(path: string, identity: FileIdentity, host: ActionHost): string | undefined {
  const configured = host.protect.path(path);
  if (configured !== undefined) return configured;
  for (const folder of [host.dataDir, PROGRAM_PATH, ...(FOLDERS[process.platform] ?? [])]) {
    if (isWithin(path, real(folder))) return `it is within ${folder}`;
  }
  for (const file of FILES[process.platform] ?? []) {
    if (samePath(path, file) || isSame(file, identity, host)) return `${file} is part of the system`;
  }
  if (isSame(process.execPath, identity, host)) return 'the agent runs from it';
  if (process.platform !== 'linux') return undefined;
  if (mappedFiles('self').some((file) => isSame(file, identity, host))) return 'the agent runs from it';
  const init = ['/proc/1/exe', ...mappedFiles('1')];
  if (init.some((file) => isSame(file, identity, host))) {
    return 'the first process runs from it';
  }
  return undefined;
}

/** Paths in /proc/<pid>/maps (proc(5)). Empty when it cannot be read. */
export function mappedFiles(pid: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/maps`, 'utf8');
  } catch {
    return [];
  }
  const paths = text.split('\n').map((line) => /^(?:\S+\s+){5}(\/.*)$/.exec(line)?.[1]);
  return [...new Set(paths.filter((path) => path !== undefined))];
}

function isWithin(path: string, folder: string): boolean {
  if (process.platform === 'win32') return `${path.toLowerCase()}${sep}`.startsWith(join(folder.toLowerCase(), sep));
  return path === folder || path.startsWith(join(folder, sep));
}

function samePath(a: string, b: string): boolean {
  return process.platform === 'linux' ? a === b : a.toLowerCase() === b.toLowerCase();
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function isSame(path: string, identity: FileIdentity, host: ActionHost): boolean {
  host.touch(path);
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return dev === identity.dev && ino === identity.ino;
  } catch {
    return false;
  }
}
