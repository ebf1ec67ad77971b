import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LinuxTables } from '@muster/agent/testing/local-tables';
import { TABLES } from '@muster/tables';
import type { Readings, TableCase, TextRow } from './compare-rows.js';
import { askOsqueryi } from './osqueryi.js';
import { layFiles } from './files.js';
import { smbiosTable } from './firmware.js';

/**
 * `main.js OSQUERYI FOLDER`, as the first process of a pid, mount and network namespace of its own: lays files and a
 * network there, starts a process that holds what is looked at, and asks Muster, osqueryi and Muster again. Cases and
 * expressions come from standard input, the answers go to standard output.
 */
export interface BoxInput {
  readonly cases: readonly TableCase[];
  readonly expressions: readonly string[];
}

export interface BoxOutput {
  readonly readings: readonly Readings[];
  /** Names of all tables that osquery has on this platform. */
  readonly tables: readonly string[];
  /** osquery's columns of each table, and what osqueryi made of each expression (`null`: an error). */
  readonly columns: readonly (readonly string[])[];
  readonly expressions: readonly (string | null)[];
}

const NETWORK = `
ip link set lo up
ip link add held0 type veth peer name held1
ip addr add 192.0.2.5/26 broadcast 192.0.2.63 dev held0
ip -6 addr add 2001:db8::5/52 dev held0 nodad
ip addr add 10.20.0.1 peer 10.20.0.9/32 dev held1
ip link set held0 up
ip link set held1 up
until ip link show held0 | grep -q 'state UP' && ip link show held1 | grep -q 'state UP'; do sleep 0.05; done
ip route add 198.51.100.0/24 via 192.0.2.1 metric 5 mtu 1300
ip route add 203.0.113.0/24 via 192.0.2.2 table 100
ip route add blackhole 198.18.0.0/15
ip -6 route add 2001:db8:f000::/36 via 2001:db8::1 metric 7
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev held0 nud permanent
ip neigh add 192.0.2.10 lladdr 02:00:00:00:00:0a dev held0 nud reachable
if command -v iptables-legacy > /dev/null; then
  iptables-legacy -P FORWARD DROP
  iptables-legacy -N own
  iptables-legacy -A INPUT -i held0 -p tcp --dport 22 -s 192.0.2.0/24 -j ACCEPT
  iptables-legacy -A INPUT ! -s 198.51.100.7 -p udp --sport 1000:2000 -j own
  iptables-legacy -A INPUT -i held+ -m comment --comment 'a "b" -j DROP' -j DROP
  iptables-legacy -A own -o lo -d 203.0.113.0/25 -j RETURN
  iptables-legacy -t nat -A POSTROUTING -o held1 -j MASQUERADE
fi`;

/** Attributes of a file, where they can be set. */
const ATTRIBUTES = `
if command -v setfattr > /dev/null; then
  setfattr -n user.text -v 0x68656c6c6f00 /etc/truth/plain.txt
  setfattr -n user.bytes -v 0x00ff10 /etc/truth/plain.txt
  setfattr -n user.empty /etc/truth/plain.txt
  setcap cap_net_raw,cap_net_admin+ep /etc/truth/empty || true
fi`;

async function main(osqueryi: string, folder: string): Promise<BoxOutput> {
  const { cases, expressions } = JSON.parse(readFileSync(0, 'utf8')) as BoxInput;
  layFiles(folder);
  coverFolders(folder);
  run('sh', ['-ec', NETWORK]);
  run('sh', ['-ec', ATTRIBUTES]);
  const held = await startHeld(folder);
  await startDocker();
  const sql = (one: TableCase): string =>
    `SELECT ${one.table}.* FROM ${(one.from ?? one.table).replaceAll('$HELD', String(held))}`;
  const tables = await LinuxTables.open();
  const ask = (): TextRow[][] => cases.map((one) => ourRows(tables, one.table, sql(one)));
  const before = ask();
  const theirs = await askOsqueryi(
    osqueryi,
    [
      ...cases.map(sql),
      ...cases.map(({ table }) => `PRAGMA table_info(${table})`),
      ...expressions.map((one) => `SELECT quote(${one}) AS v`),
      "SELECT name FROM osquery_registry WHERE registry = 'table'",
    ],
    { timeoutMs: 70_000 },
  );
  const after = ask();
  tables.close();
  const [rows, columns] = [theirs.slice(0, cases.length), theirs.slice(cases.length, 2 * cases.length)];
  return {
    readings: cases.map((_, i) => ({ before: before[i] ?? [], theirs: rows[i] ?? [], after: after[i] ?? [] })),
    columns: columns.map((list) => (list ?? []).map(({ name = '' }) => name)),
    tables: (theirs.at(-1) ?? []).map(({ name = '' }) => name),
    expressions: theirs.slice(2 * cases.length, -1).map((list) => list?.[0]?.['v'] ?? null),
  };
}

/** File systems of the box's own over folders whose content is held still. */
function coverFolders(folder: string): void {
  const copy = join(folder, 'etc-all');
  cpSync('/etc', copy, { recursive: true, verbatimSymlinks: true });
  for (const path of ['/etc/cron.d', '/etc/sudoers.d', '/etc/apt/sources.list.d'])
    emptyFolder(join(copy, path.slice(4)));
  cpSync(join(folder, 'etc'), copy, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
  run('mount', ['--bind', copy, '/etc']);
  for (const path of ['/var/log', '/var/spool/cron', '/var/lib/apt/lists', '/run']) {
    if (existsSync(path)) run('mount', ['-t', 'tmpfs', 'tmpfs', path]);
  }
  // The other one shows the interfaces of the machine.
  run('mount', ['-t', 'sysfs', 'sysfs', '/sys']);
  layFirmware();
  for (const path of ['/var/log', '/var/lib/apt/lists']) mkdirSync(path, { recursive: true });
  const release = 'deb.example.net_debian_dists_stable_Release';
  cpSync(join(folder, release), `/var/lib/apt/lists/${release}`);
  cpSync(join(folder, 'wtmp'), '/var/log/wtmp');
  cpSync(join(folder, 'utmp'), '/run/utmp');
}

function layFirmware(): void {
  run('mount', ['-t', 'tmpfs', 'tmpfs', '/sys/firmware']);
  mkdirSync('/sys/firmware/dmi/tables', { recursive: true });
  mkdirSync('/sys/firmware/acpi/tables/dynamic', { recursive: true });
  writeFileSync('/sys/firmware/dmi/tables/DMI', smbiosTable());
  writeFileSync('/sys/firmware/acpi/tables/FACP', 'FACP and more');
  writeFileSync('/sys/firmware/acpi/tables/dynamic/SSDT1', 'SSDT');
}

function emptyFolder(path: string): void {
  if (existsSync(path)) for (const name of readdirSync(path)) run('rm', ['-rf', join(path, name)]);
}

function run(program: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`);
}

async function startDocker(): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('docker.js', import.meta.url)), '/run/docker.sock'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
}

/** Stopped, so that its times and memory stay as they are. */
async function startHeld(folder: string): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('held.js', import.meta.url)), folder], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const { pid } = child;
  if (pid === undefined) throw new Error('the process that is looked at did not start');
  process.kill(pid, 'SIGSTOP');
  return pid;
}

/** With the columns written out: `*` leaves out those that only some platforms have. */
function ourRows(tables: LinuxTables, table: string, sql: string): TextRow[] {
  const spec = TABLES.find(({ name }) => name === table);
  const columns = (spec?.columns ?? []).filter(
    ({ platforms }) => platforms === undefined || platforms.includes('linux'),
  );
  const list = columns.map(({ name }) => `"${table}"."${name}"`).join(', ');
  const { result, rows } = tables.query(sql.replace(`${table}.*`, list));
  if (!result.ok) throw new Error(`${sql}: ${JSON.stringify(result)}`);
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? '' : String(value)])),
  );
}

const [, , osqueryi = '', folder = ''] = process.argv;
process.stdout.write(JSON.stringify(await main(osqueryi, folder)), () => process.exit(0));
