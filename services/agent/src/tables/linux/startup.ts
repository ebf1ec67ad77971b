import type { CollectRequest, TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { accounts, filesOfUser, homes } from './users.js';
import { parseCrontab } from './parse/crontab.js';
import { parseDesktopEntry } from './parse/systemd.js';

const SYSTEM_CRON = '/etc/cron.d';
/** With a table of each user, who owns it; it has the user's name. */
const USER_CRON = ['/var/spool/cron', '/var/spool/cron/crontabs', '/var/spool/cron/tabs'] as const;
/** Of a table that has no user any more. */
const NO_UID = -1;

const SYSTEM_AUTOSTART = '/etc/xdg/autostart';
const INIT = '/etc/init.d';
const RUNLEVELS = ['S', '2', '3', '4', '5'] as const;

/** What runs by itself: jobs of cron, and items that start with the machine or with a session. */
export const STARTUP_COLLECTORS: readonly Collector[] = [
  {
    table: 'crontab',
    *collect(system, request) {
      for (const { path, files } of crontabs(system, request)) {
        for (const job of parseCrontab(files.text(path) ?? '')) yield { ...job, path };
      }
    },
  },
  {
    table: 'startup_items',
    *collect(system, request) {
      yield* autostart(system, SYSTEM_AUTOSTART, '');
      yield* userAutostart(system, request);
      yield* initScripts(system);
    },
  },
];

/** Each table of cron, and how it is read. */
function* crontabs(system: System, request: CollectRequest): Iterable<{ path: string; files: System }> {
  yield { path: '/etc/crontab', files: system };
  for (const name of visible(system, SYSTEM_CRON)) yield { path: `${SYSTEM_CRON}/${name}`, files: system };
  const uids = new Map(accounts(system, request).map(({ username, uid }) => [username, uid]));
  for (const directory of USER_CRON) {
    for (const name of visible(system, directory)) {
      const owner = { uid: uids.get(name) ?? NO_UID, directory };
      yield { path: `${directory}/${name}`, files: filesOfUser(system, request, owner) };
    }
  }
}

function visible(system: System, folder: string): string[] {
  return system.list(folder).filter((name) => !name.startsWith('.'));
}

function* userAutostart(system: System, request: CollectRequest): Iterable<TableRow> {
  for (const { directory, username, files } of homes(system, request)) {
    yield* autostart(files, `${directory}/.config/autostart`, username);
  }
}

/** Programs that a desktop session starts (freedesktop.org autostart). */
function* autostart(files: System, folder: string, username: string): Iterable<TableRow> {
  for (const name of files.list(folder)) {
    if (!name.endsWith('.desktop')) continue;
    const entry = parseDesktopEntry(files.text(`${folder}/${name}`) ?? '');
    const command = entry.get('Exec');
    if (command === undefined) continue;
    const [, path = command, args = ''] = /^("[^"]*"|\S+)\s*(.*)$/.exec(command) ?? [];
    const off = entry.get('Hidden') === 'true' || entry.get('X-GNOME-Autostart-enabled') === 'false';
    yield {
      name: entry.get('Name') ?? name,
      path: path.replaceAll('"', ''),
      args,
      type: 'Startup Item',
      source: `${folder}/`,
      status: off ? 'disabled' : 'enabled',
      username,
    };
  }
}

/** System V init scripts. A script is enabled when a runlevel has a start link to it. */
function* initScripts(system: System): Iterable<TableRow> {
  const links = RUNLEVELS.flatMap((level) => system.list(`/etc/rc${level}.d`));
  const started = new Set(links.flatMap((link) => /^S\d\d(.+)$/.exec(link)?.[1] ?? []));
  for (const name of system.list(INIT)) {
    const path = `${INIT}/${name}`;
    if (name.startsWith('.') || name === 'README' || system.stat(path)?.isFile() !== true) continue;
    const status = started.has(name) ? 'enabled' : 'disabled';
    yield { name, path, args: '', type: 'Startup Item', source: `${INIT}/`, status, username: '' };
  }
}
