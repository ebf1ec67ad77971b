import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { parseAssignments } from './parse/etc.js';
import { type LoginRecord, parseUtmp } from './parse/utmp.js';

/** osquery's names for the record types of sessions. */
const TYPES: Readonly<Record<string, string>> = {
  runlevel: 'runlevel',
  'boot-time': 'boot_time',
  init: 'init',
  login: 'login',
  normal: 'user',
  dead: 'dead',
};

export const loggedInUsers: Collector = {
  table: 'logged_in_users',
  *collect(system) {
    const utmp = system.bytes('/run/utmp') ?? system.bytes('/var/run/utmp');
    // Systems without utmp have the records of the login manager.
    if (utmp === undefined) yield* managedSessions(system);
    else for (const record of parseUtmp(utmp)) yield* recordRow(record);
  },
};

function* recordRow(record: LoginRecord): Iterable<TableRow> {
  const type = TYPES[record.typeName];
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
