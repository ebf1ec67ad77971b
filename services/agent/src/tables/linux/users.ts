import type { CollectRequest, TableRow } from '@muster/tables';
import type { FolderOfUser } from '../contract/ownership.js';
import type { Collector, System } from '../contract/system.js';
import { type Account, type Group, parseGroup, parsePasswd } from './parse/accounts.js';
import { RemoteMounts } from './remote-mounts.js';
import { parseAssignments } from './parse/etc.js';
import { parseAuthorizedKeys } from './parse/ssh.js';
import { type LoginRecord, parseUtmp } from './parse/utmp.js';

/** osquery's names for the record types of sessions. */
const SESSION_TYPES: Readonly<Record<string, string>> = {
  runlevel: 'runlevel',
  'boot-time': 'boot_time',
  init: 'init',
  login: 'login',
  normal: 'user',
  dead: 'dead',
};

/** osquery's names for the records of `last`: a login, and the end of one. */
const LAST_TYPES: Readonly<Record<number, string>> = { 7: 'user-process', 8: 'dead-process' };

const KEY_FILES = ['.ssh/authorized_keys', '.ssh/authorized_keys2'] as const;

/** Accounts, groups and logins. */
export const USER_COLLECTORS: readonly Collector[] = [
  {
    table: 'users',
    *collect(system, request) {
      for (const account of accounts(system, request)) {
        yield { ...account, uid_signed: account.uid | 0, gid_signed: account.gid | 0, uuid: '' };
      }
    },
  },
  {
    table: 'groups',
    *collect(system) {
      for (const { gid, groupname } of parseGroup(system.text('/etc/group') ?? '')) {
        yield { gid, gid_signed: gid | 0, groupname };
      }
    },
  },
  {
    table: 'user_groups',
    *collect(system, request) {
      const groups = request.memo('groups', () => parseGroup(system.text('/etc/group') ?? ''));
      const byMember = request.memo('groups by member', () => gidsByMember(groups));
      for (const { uid, gid, username } of accounts(system, request)) {
        for (const one of new Set([gid, ...(byMember.get(username) ?? [])])) yield { uid, gid: one };
      }
    },
  },
  {
    table: 'last',
    *collect(system) {
      for (const record of parseUtmp(system.bytes('/var/log/wtmp') ?? Buffer.alloc(0))) {
        const { user: username, tty, pid, type, time, host } = record;
        const typeName = LAST_TYPES[type];
        // Boots, runlevels and changes of the clock are no logins.
        if (typeName !== undefined) yield { username, tty, pid, type, type_name: typeName, time, host };
      }
    },
  },
  {
    table: 'logged_in_users',
    *collect(system) {
      const utmp = system.bytes('/run/utmp') ?? system.bytes('/var/run/utmp');
      // Systems without utmp have the records of the login manager.
      if (utmp === undefined) yield* managedSessions(system);
      else for (const record of parseUtmp(utmp)) yield* recordRow(record);
    },
  },
  {
    table: 'authorized_keys',
    *collect(system, request) {
      for (const { uid, directory, files } of homes(system, request)) {
        for (const name of KEY_FILES) {
          const path = `${directory}/${name}`;
          for (const key of parseAuthorizedKeys(files.text(path) ?? '')) yield { ...key, uid, key_file: path };
        }
      }
    },
  },
];

function* recordRow(record: LoginRecord): Iterable<TableRow> {
  const type = SESSION_TYPES[record.typeName];
  if (type === undefined) return;
  yield { type, user: record.user, tty: record.tty, host: record.host, time: record.time, pid: record.pid };
}

function* managedSessions(system: System): Iterable<TableRow> {
  for (const name of system.list('/run/systemd/sessions')) {
    const session = parseAssignments(system.text(`/run/systemd/sessions/${name}`) ?? '');
    if (session.get('CLASS')?.startsWith('user') !== true) continue;
    yield {
      type: 'user',
      user: session.get('USER'),
      tty: session.get('TTY') ?? '',
      host: session.get('REMOTE_HOST') ?? '',
      time: Math.floor(Number(session.get('REALTIME') ?? 0) / 1_000_000),
      pid: Number(session.get('LEADER') ?? 0),
    };
  }
}

function gidsByMember(groups: readonly Group[]): ReadonlyMap<string, readonly number[]> {
  const gids = new Map<string, number[]>();
  for (const { gid, members } of groups) {
    for (const member of members) {
      const known = gids.get(member);
      if (known === undefined) gids.set(member, [gid]);
      else known.push(gid);
    }
  }
  return gids;
}

/** The local accounts, read once per statement. */
export function accounts(system: System, request: CollectRequest): readonly Account[] {
  return request.memo('accounts', () => parsePasswd(system.text('/etc/passwd') ?? ''));
}

/** An account with the only way to read below its home. */
export interface Home extends Account {
  readonly files: System;
}

/** Accounts with their own home folder, limited to the users that the statement names. */
export function homes(system: System, request: CollectRequest): readonly Home[] {
  const wanted = request.equal('uid');
  const seen = new Set<string>();
  return accounts(system, request).flatMap((account) => {
    const { directory, uid } = account;
    if (!directory.startsWith('/') || directory === '/' || seen.has(directory)) return [];
    if (wanted?.every((value) => value === uid) === false) return [];
    seen.add(directory);
    const files = filesOfUser(system, request, { uid, directory });
    return files.isDirectory(directory) ? [{ ...account, files }] : [];
  });
}

/**
 * How the tables read below a folder that a user controls. Not what is on a file system of another machine or of a program: one dead
 * home, or what a user mounts in theirs, would take the answer of all the others.
 */
export function filesOfUser(system: System, request: CollectRequest, folder: FolderOfUser): System {
  const remote = request.memo('remote mounts', () => new RemoteMounts(system));
  const mayHang = (path: string): boolean => remote.isBehind('', path);
  return system.ofUser(folder, { checkpoint: () => request.checkpoint(), mayHang });
}
