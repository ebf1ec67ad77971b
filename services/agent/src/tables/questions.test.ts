import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { SqlParameter, SqlParameterType, SqlValue } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { LinuxTables } from './table-fixture.js';

const FOLDER = new URL('../../../cli/questions/', import.meta.url);
const QUESTIONS = readdirSync(FOLDER).map((file) => file.replace(/\.sql$/, ''));

type Row = Record<string, SqlValue>;
type Values = Record<string, string | number>;
interface Case {
  readonly given?: Values | undefined;
  /** Other values, with which the row must not come. */
  readonly without?: Values | undefined;
  /** A row that must come back. */
  readonly has: Partial<Row>;
  /** A row that must not; by default the same one, with other values. */
  readonly hasNot?: Partial<Row> | undefined;
  /** A copied file tree instead of this machine. */
  readonly root?: string;
}

let folder: string;
let servers: Server[];
let socket: Socket;
let children: ChildProcess[];
let open: number;
let inner: number;
let outer: number;
const me = userInfo();
const MARK = 'muster-fixture-argument';
const sha256 = createHash('sha256').update('fixture').digest('hex');

beforeAll(async () => {
  folder = mkdtempSync(join(realpathSync(tmpdir()), 'muster-questions-'));
  const write = (path: string, text = 'fixture'): string => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
    return join(folder, path);
  };
  write('files/new.txt');
  write('files/old.txt', 'old');
  utimesSync(join(folder, 'files/old.txt'), 1_000_000, 1_000_000);
  write('files/.hidden');
  chmodSync(write('files/setuid'), 0o4755);
  chmodSync(write('files/open'), 0o666);
  ftruncateSync((open = openSync(write('files/large'), 'r+')), 3 * 1024 * 1024);
  // A tree of another machine, for what a test must not write here.
  write(
    'root/etc/passwd',
    'root:x:0:0:root:/root:/bin/bash\nann:x:1000:1000::/home/ann:/bin/bash\nbin:x:2:2::/:/usr/sbin/nologin\n',
  );
  write('root/etc/group', 'root:x:0:\nsudo:x:27:ann\n');
  write('root/etc/hosts', '127.0.0.1 localhost\n203.0.113.9 update.example.com\n');
  write('root/etc/resolv.conf', 'nameserver 203.0.113.53\nsearch example.com\n');
  write('root/etc/crontab', '# no job\n5 4 * * * root /usr/bin/backup\n');
  write('root/etc/sudoers', 'Defaults env_reset\nann ALL=(ALL) NOPASSWD: ALL\n');
  write('root/home/ann/.ssh/authorized_keys', '# none\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 ann@laptop\n');
  write(
    'root/etc/apt/sources.list',
    'deb http://deb.example.com/debian stable main\n# deb http://off.example.com/debian stable main\n',
  );
  write(
    'root/etc/xdg/autostart/updater.desktop',
    '[Desktop Entry]\nType=Application\nName=Updater\nExec=/usr/bin/updater --now\n',
  );
  const sleep = (path: string): ChildProcess => {
    copyFileSync('/bin/sleep', join(folder, path));
    chmodSync(join(folder, path), 0o755);
    return spawn(join(folder, path), ['600', '0'], { stdio: 'ignore' });
  };
  children = [sleep('mustersleep'), sleep('mustergone')];
  children.push(spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)', MARK], { stdio: 'ignore' }));
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('spawn', resolve))));
  rmSync(join(folder, 'mustergone'));
  const listen = async (server: Server, host: string): Promise<number> => {
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    return (server.address() as AddressInfo).port;
  };
  const [local, all] = [createServer(), createServer()];
  servers = [local, all];
  [inner, outer] = await Promise.all([listen(local, '127.0.0.1'), listen(all, '0.0.0.0')]);
  socket = connect(inner, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
});

afterAll(() => {
  socket.destroy();
  for (const server of servers) server.close();
  for (const child of children) child.kill('SIGKILL');
  closeSync(open);
  rmSync(folder, { recursive: true, force: true });
});

const root = (): string => join(folder, 'root');
const files = (): string => join(folder, 'files');
const pid = (at: number): number => children[at]?.pid ?? 0;

const CASES: Record<string, () => Case> = {
  'open-ports': () => ({ has: { port: inner, address: '127.0.0.1' }, hasNot: { port: 1 } }),
  'port-listeners': () => ({
    given: { port: inner },
    has: { pid: process.pid, port: inner },
    without: { port: outer },
  }),
  'program-ports': () => {
    const name = readFileSync('/proc/self/comm', 'utf8').trim();
    return { given: { name }, has: { pid: process.pid, port: inner }, without: { name: 'mustersleep' } };
  },
  'listening-on-all-addresses': () => ({ has: { port: outer, address: '0.0.0.0' }, hasNot: { port: inner } }),
  'connections-to-address': () => ({
    ...{ given: { address: '127.0.0.1' }, without: { address: '203.0.113.9' } },
    has: { pid: process.pid, remote_port: inner },
  }),
  'connections-to-port': () => ({ given: { port: inner }, has: { pid: process.pid }, without: { port: outer } }),
  'interface-addresses': () => ({
    ...{ given: { block: '127.0.0.0/8' }, has: { interface: 'lo', address: '127.0.0.1' } },
    without: { block: '203.0.113.0/24' },
  }),
  'hosts-file-entries': () => ({ root: root(), has: { address: '203.0.113.9' }, hasNot: { address: '127.0.0.1' } }),
  'dns-servers': () => ({ root: root(), has: { address: '203.0.113.53' }, hasNot: { address: 'example.com' } }),
  'processes-by-name': () => ({
    given: { name: 'mustersleep' },
    has: { pid: pid(0) },
    without: { name: 'mustersleeper' },
  }),
  'processes-by-path': () => ({
    ...{ given: { path: join(folder, 'mustersleep') }, has: { pid: pid(0) } },
    without: { path: join(folder, 'other') },
  }),
  'processes-by-command-line': () => ({ given: { text: MARK }, has: { pid: pid(2) }, without: { text: `${MARK}-no` } }),
  'processes-of-user': () => ({
    ...{ given: { username: me.username }, has: { pid: pid(0) } },
    without: { username: me.username === 'root' ? 'daemon' : 'root' },
  }),
  'processes-deleted-from-disk': () => ({ has: { pid: pid(1) }, hasNot: { pid: pid(0) } }),
  'processes-in-temporary-folders': () => ({ has: { pid: pid(0) }, hasNot: { pid: pid(2) } }),
  'processes-started-lately': () => ({ given: { minutes: 60 }, has: { pid: pid(0) }, without: { minutes: 0 } }),
  'processes-by-memory': () => ({
    ...{ given: { megabytes: 1 }, has: { pid: process.pid }, without: { megabytes: 1_000_000 } },
  }),
  'process-children': () => ({ given: { pid: process.pid }, has: { pid: pid(0) }, without: { pid: pid(0) } }),
  'file-holders': () => ({
    ...{ given: { path: join(files(), 'large') }, has: { pid: process.pid } },
    without: { path: join(files(), 'new.txt') },
  }),
  'file-by-path': () => ({
    ...{ given: { path: join(files(), 'new.txt') }, has: { path: join(files(), 'new.txt'), size: 7 } },
    without: { path: join(files(), 'absent') },
  }),
  'file-hashes': () => ({
    given: { paths: JSON.stringify([join(files(), 'new.txt'), join(files(), 'absent')]) },
    ...{ has: { path: join(files(), 'new.txt'), sha256 }, hasNot: { path: join(files(), 'absent') } },
  }),
  'files-by-hash': () => ({
    given: { folder: files(), sha256: sha256.toUpperCase() },
    ...{ has: { path: join(files(), 'new.txt') }, hasNot: { path: join(files(), 'old.txt') } },
  }),
  'files-by-name': () => ({
    given: { folder, name: 'new.txt' },
    ...{ has: { path: join(files(), 'new.txt') }, hasNot: { path: join(files(), 'old.txt') } },
  }),
  'files-changed-lately': () => ({
    given: { folder, hours: 1 },
    ...{ has: { path: join(files(), 'new.txt') }, hasNot: { path: join(files(), 'old.txt') } },
  }),
  'large-files': () => ({
    given: { folder, megabytes: 2 },
    ...{ has: { path: join(files(), 'large') }, hasNot: { path: join(files(), 'new.txt') } },
  }),
  'setuid-files': () => ({
    ...{ given: { folder }, has: { path: join(files(), 'setuid') }, hasNot: { path: join(files(), 'open') } },
  }),
  'world-writable-files': () => ({
    ...{ given: { folder }, has: { path: join(files(), 'open') }, hasNot: { path: join(files(), 'setuid') } },
  }),
  'files-of-user': () => ({
    ...{ given: { folder, username: me.username }, has: { path: join(files(), 'new.txt') } },
    without: { folder, username: me.username === 'root' ? 'daemon' : 'root' },
  }),
  'hidden-files': () => ({
    ...{ given: { folder }, has: { path: join(files(), '.hidden') }, hasNot: { path: join(files(), 'new.txt') } },
  }),
  'programs-in-temporary-folders': () => ({
    ...{ given: { folder }, has: { path: join(folder, 'mustersleep') }, hasNot: { path: join(files(), 'new.txt') } },
  }),
  'root-logins': () => ({ root: root(), has: { username: 'root' }, hasNot: { username: 'ann' } }),
  'login-accounts': () => ({ root: root(), has: { username: 'ann' }, hasNot: { username: 'bin' } }),
  'account-by-name': () => ({
    ...{ root: root(), given: { username: 'ann' }, has: { username: 'ann' }, without: { username: 'bob' } },
  }),
  'group-members': () => ({
    ...{ root: root(), given: { group: 'sudo' }, has: { username: 'ann' }, hasNot: { username: 'root' } },
  }),
  'sudo-rules': () => ({ root: root(), has: { header: 'ann' }, hasNot: { header: 'Defaults' } }),
  'authorized-keys': () => ({
    root: root(),
    has: { username: 'ann', comment: 'ann@laptop' },
    hasNot: { username: 'root' },
  }),
  'cron-jobs': () => ({ root: root(), has: { minute: '5', hour: '4' }, hasNot: { minute: '#' } }),
  'startup-items': () => ({ root: root(), has: { path: '/usr/bin/updater' }, hasNot: { path: '/usr/bin/backup' } }),
  'package-by-name': () => ({ given: { name: 'bash' }, has: { name: 'bash' }, without: { name: 'bash-no' } }),
  'packages-older-than': () => ({
    ...{ given: { name: 'bash', version: '99' }, has: { name: 'bash' }, without: { name: 'bash', version: '1.0~rc1' } },
  }),
  'package-versions': () => ({ has: { name: 'bash' }, hasNot: { name: 'bash-no' } }),
  'package-sources': () => ({
    ...{ root: root(), has: { base_uri: 'http://deb.example.com/debian' } },
    hasNot: { base_uri: 'http://off.example.com/debian' },
  }),
  'os-versions': () => ({ has: { platform: 'debian' }, hasNot: { platform: 'windows' } }),
  'kernel-versions': () => {
    const version = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
    return { has: { version }, hasNot: { version: `${version}-no` } };
  },
  'running-longer-than': () => ({ given: { days: 0 }, has: {}, without: { days: 100_000 } }),
  'disks-nearly-full': () => ({ given: { percent: 101 }, has: { path: '/' }, without: { percent: 0 } }),
  'certificates-that-end': () => ({ given: { days: 20_000 }, has: {}, without: { days: -1 } }),
  'little-memory': () => ({ given: { megabytes: 100_000_000 }, has: {}, without: { megabytes: 1 } }),
};

test('every question that is shipped is tested', () => {
  expect(Object.keys(CASES).sort()).toEqual(QUESTIONS.sort());
  expect(QUESTIONS.length).toBeGreaterThanOrEqual(40);
});

test.each(QUESTIONS)('%s finds what is there, and nothing else', async (name) => {
  const one = CASES[name]?.() as Case;
  const sql = readFileSync(new URL(`${name}.sql`, FOLDER), 'utf8');
  const tables = await LinuxTables.open(one.root);
  const rows = (values: Values = {}): Row[] => {
    const { result, rows: found } = tables.query(sql, {}, parametersOf(sql, values));
    expect(result).toMatchObject({ ok: true });
    return found;
  };
  try {
    // What was just started may not be in every table at once.
    await eventually(() => isAmong(rows(one.given), one.has), `${name} has its row`);
    if (one.hasNot !== undefined) expect(isAmong(rows(one.given), one.hasNot)).toBe(false);
    if (one.without !== undefined) expect(isAmong(rows(one.without), one.has)).toBe(false);
    expect([one.hasNot, one.without].some((other) => other !== undefined)).toBe(true);
  } finally {
    tables.close();
  }
});

function isAmong(rows: readonly Row[], wanted: Partial<Row>): boolean {
  return rows.some((row) => Object.entries(wanted).every(([name, value]) => String(row[name]) === String(value)));
}

const TYPES: Readonly<Record<string, SqlParameterType>> = {
  text: 'text',
  list: 'text',
  integer: 'integer',
  number: 'number',
};

/** The values as the file declares their types. */
function parametersOf(sql: string, values: Values): SqlParameter[] {
  return [...sql.matchAll(/^-- param: (\w+) (\w+)/gm)].map(([, name = '', type = '']) => ({
    ...{ name, type: TYPES[type] as SqlParameterType },
    value: values[name] as string | number,
  }));
}
