import { createHash } from 'node:crypto';
import type { Facts } from '@muster/protocol';
import { perImage, type Row, type SimulatedTables } from './simulated-table.js';
import type { Machine } from './machine.js';
import { seeded } from './seeded.js';

/** `file` and `hash`: a few well-known files of each operating system, with contents derived from the image. */

const UNIX_FILES = ['/etc/hosts', '/etc/passwd', '/etc/ssh/sshd_config', '/bin/sh', '/usr/bin/ssh', '/usr/bin/curl'];
const FILES: Readonly<Record<Facts['os'], readonly string[]>> = {
  linux: [...UNIX_FILES, '/etc/os-release', '/usr/sbin/sshd', '/usr/lib/systemd/systemd'],
  darwin: [...UNIX_FILES, '/Applications/Safari.app/Contents/Info.plist'],
  windows: [
    'C:\\Windows\\System32\\drivers\\etc\\hosts',
    'C:\\Windows\\System32\\cmd.exe',
    'C:\\Windows\\System32\\ntdll.dll',
    'C:\\Windows\\explorer.exe',
  ],
};

function split(path: string): { directory: string; filename: string } {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return { directory: path.slice(0, Math.max(at, 1)), filename: path.slice(at + 1) };
}

function file(machine: Machine): Row[] {
  return FILES[machine.profile.os].map((path) => {
    const changed = 1_700_000_000 + (seeded(11, path.length, path + machine.image) % 30_000_000);
    return {
      path,
      ...split(path),
      inode: 1000 + (seeded(12, path.length, path) % 900_000),
      uid: 0,
      gid: 0,
      mode: path.includes('bin/') ? '0755' : '0644',
      size: 100 + (seeded(13, path.length, path + machine.image) % 900_000),
      mtime: changed,
      ctime: changed,
      atime: changed,
      hard_links: 1,
      symlink: 0,
      type: 'regular',
    };
  });
}

function hash(machine: Machine): Row[] {
  return FILES[machine.profile.os].map((path) => {
    const content = `${machine.image} ${path}`;
    const digest = (algorithm: string): string => createHash(algorithm).update(content).digest('hex');
    return {
      path,
      directory: split(path).directory,
      md5: digest('md5'),
      sha1: digest('sha1'),
      sha256: digest('sha256'),
    };
  });
}

export const FILE_TABLES: SimulatedTables = new Map([
  ['file', perImage(file)],
  ['hash', perImage(hash)],
]);
