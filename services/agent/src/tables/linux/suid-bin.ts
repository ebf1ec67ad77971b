import type { CollectRequest } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseGroup, parsePasswd } from './parse/accounts.js';
import { RemoteMounts } from './remote-mounts.js';

/** As osquery has them: the folders of programs, and where anybody may put some. */
const FOLDERS = ['/bin', '/sbin', '/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', '/tmp'] as const;
const SUID = 0o4000n;
const SGID = 0o2000n;
/** Files of one of these folders. */
const MAX_FILES = 200_000;

export const suidBin: Collector = {
  table: 'suid_bin',
  *collect(system, request) {
    const users = namesById(parsePasswd(system.text('/etc/passwd') ?? '').map(({ uid, username }) => [uid, username]));
    const groups = namesById(parseGroup(system.text('/etc/group') ?? '').map(({ gid, groupname }) => [gid, groupname]));
    for (const folder of FOLDERS) {
      for (const { path, mode, uid, gid } of programs(system, request, folder)) {
        const permissions = `${(mode & SUID) === 0n ? '' : 'S'}${(mode & SGID) === 0n ? '' : 'G'}`;
        const [username, groupname] = [users.get(Number(uid)) ?? `${uid}`, groups.get(Number(gid)) ?? `${gid}`];
        yield { path, username, groupname, permissions };
      }
    }
  },
};

/** Files below a folder with one of the two bits. A link to one counts, a link to a folder is not followed. */
function* programs(system: System, request: CollectRequest, top: string) {
  const remote = request.memo('remote mounts', () => new RemoteMounts(system));
  const real = system.realPath(top);
  if (real === undefined || remote.has(real)) return;
  // A stack of its own: a tree may be deeper than calls nest.
  const open = [{ path: top, real }];
  let files = 0;
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    request.checkpoint();
    for (const name of system.list(folder.path)) {
      files += 1;
      if (files > MAX_FILES)
        return request.warn('too_large', `${top} has more than ${MAX_FILES} files; the others are not looked at`);
      if (files % 256 === 0) request.checkpoint();
      const path = `${folder.path}/${name}`;
      const inside = `${folder.real}/${name}`;
      if (remote.has(inside)) continue;
      const own = system.lstat(path);
      if (own?.isDirectory() === true) open.push({ path, real: inside });
      const isReachable = own?.isSymbolicLink() === true && !remote.isBehind(folder.real, name);
      const stat = isReachable ? system.stat(path) : own;
      if (stat?.isFile() === true && (stat.mode & (SUID | SGID)) !== 0n) yield { path, ...pick(stat) };
    }
  }
}

function pick({ mode, uid, gid }: { mode: bigint; uid: bigint; gid: bigint }) {
  return { mode, uid, gid };
}

/** The first name of an id counts, as in getpwuid(3). */
function namesById(pairs: readonly (readonly [id: number, name: string])[]): ReadonlyMap<number, string> {
  return new Map(pairs.toReversed());
}
