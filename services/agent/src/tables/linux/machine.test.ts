import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TABLES } from '@muster/tables';
import { LinuxTables } from '../table-fixture.js';
import { platformTables } from '../platform-tables.js';

/** Events are recorded by the running agent alone: without it they are refused, and not empty. */
const RECORDED = ['process_events', 'socket_events'];
const CATALOGUED = TABLES.filter((table) => table.platforms.includes('linux'));

function everything(table: string): string {
  const spec = CATALOGUED.find((one) => one.name === table);
  const columns = spec?.columns.map((column) => `"${column.name}"`).join(', ');
  return `SELECT ${columns} FROM ${table}${where(spec?.requiresOneOf)}`;
}

function where(requires: readonly string[] | undefined): string {
  if (requires === undefined) return '';
  return requires.includes('directory') ? " WHERE directory = '/etc'" : ` WHERE ${requires[0]} = '/etc/hosts'`;
}

/** Drops root privileges to those of nobody. Returns the function that restores them. */
function losePrivileges(): () => void {
  if (process.geteuid?.() !== 0) return () => undefined;
  process.seteuid?.(65_534);
  return () => process.seteuid?.(0);
}

describe('tables on this machine', () => {
  let tables: LinuxTables;
  let directory: string;
  beforeAll(async () => {
    tables = await LinuxTables.open();
    directory = mkdtempSync(join(tmpdir(), 'muster-tables-'));
  });
  afterAll(() => {
    tables.close();
    rmSync(directory, { recursive: true });
  });

  it('has a collector for every Linux table of the catalogue', () => {
    expect(platformTables('linux').specs).toEqual(CATALOGUED);
  });

  it.each(CATALOGUED.map((table) => table.name))('answers SELECT * from %s', (table) => {
    const expected = RECORDED.includes(table) ? { ok: false, code: 'unavailable' } : { ok: true };
    expect(tables.query(everything(table)).result).toMatchObject(expected);
  });

  it('works without privileges', () => {
    const regain = losePrivileges();
    try {
      const failed = CATALOGUED.filter(({ name }) => !tables.query(everything(name)).result.ok);
      expect(failed.map(({ name }) => name)).toEqual(RECORDED);
      expect(tables.query('SELECT pid FROM processes WHERE pid = 1').rows).toHaveLength(1);
    } finally {
      regain();
    }
  });

  it('finds this process', () => {
    const [row] = tables.query(`SELECT * FROM processes WHERE pid = ${process.pid}`).rows;
    expect(row).toMatchObject({
      pid: process.pid,
      parent: process.ppid,
      on_disk: 1,
      cwd: process.cwd(),
      uid: process.getuid?.(),
    });
    expect(row?.['cmdline']).toContain('jest');
    const age = Date.now() / 1000 - Number(row?.['start_time']);
    expect(Math.abs(age - process.uptime())).toBeLessThan(3);
    const memory = Number(row?.['resident_size']) / process.memoryUsage.rss();
    expect(memory).toBeGreaterThan(0.5);
    expect(memory).toBeLessThan(2);
  });

  it('finds a process with a deleted executable, and its environment', async () => {
    const executable = join(directory, 'sleeper');
    execFileSync('cp', ['/bin/sleep', executable]);
    const child = spawn(executable, ['60'], { env: { MUSTER_PROBE: 'é=1' }, stdio: 'ignore' });
    try {
      await new Promise((resolve) => child.once('spawn', resolve));
      rmSync(executable);
      expect(tables.query(`SELECT path, on_disk FROM processes WHERE pid = ${child.pid}`).rows).toEqual([
        { path: executable, on_disk: 0 },
      ]);
      expect(tables.query(`SELECT key, value FROM process_envs WHERE pid = ${child.pid}`).rows).toEqual([
        { key: 'MUSTER_PROBE', value: 'é=1' },
      ]);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('a program that is named as if it were gone is there, in processes and in their memory', async () => {
    const executable = join(directory, 'named (deleted)');
    execFileSync('cp', ['/bin/sleep', executable]);
    const child = spawn(executable, ['60'], { stdio: 'ignore' });
    const rows = () => [
      tables.query(`SELECT path, on_disk FROM processes WHERE pid = ${child.pid}`).rows,
      tables.query(
        `SELECT DISTINCT path FROM process_memory_map WHERE pid = ${child.pid} AND path LIKE '${directory}/%'`,
      ).rows,
    ];
    try {
      await new Promise((resolve) => child.once('spawn', resolve));
      expect(rows()).toEqual([[{ path: executable, on_disk: 1 }], [{ path: executable }]]);
      // Another file with that name is not it.
      rmSync(executable);
      writeFileSync(`${executable} (deleted)`, '');
      expect(rows()).toEqual([[{ path: executable, on_disk: 0 }], [{ path: executable }]]);
    } finally {
      rmSync(`${executable} (deleted)`, { force: true });
      child.kill('SIGKILL');
    }
  });

  it.each(['127.0.0.1', '::1'])('finds the process that listens on %s', async (address) => {
    const server: Server = createServer();
    await new Promise<void>((resolve) => server.listen({ host: address, port: 0 }, resolve));
    const bound = server.address();
    const port = typeof bound === 'object' ? bound?.port : undefined;
    const sql = `SELECT l.pid, l.address, p.name FROM listening_ports l JOIN processes p USING (pid) WHERE l.port = ${port} AND l.protocol = 6`;
    expect(tables.query(sql).rows).toEqual([{ pid: process.pid, address, name: expect.any(String) }]);
    expect(
      tables.query(`SELECT state FROM process_open_sockets WHERE pid = ${process.pid} AND local_port = ${port}`).rows,
    ).toEqual([{ state: 'LISTEN' }]);
    await new Promise((resolve) => server.close(resolve));
  });

  it('hashes regular files only, and does not block on pipes', () => {
    writeFileSync(join(directory, 'a.txt'), 'content');
    symlinkSync(join(directory, 'a.txt'), join(directory, 'link'));
    symlinkSync(join(directory, 'loop'), join(directory, 'loop'));
    execFileSync('/usr/bin/mkfifo', [join(directory, 'pipe')]);
    const sha256 = createHash('sha256').update('content').digest('hex');
    expect(tables.query(`SELECT path, sha256 FROM hash WHERE directory = '${directory}'`).rows).toEqual([
      { path: join(directory, 'a.txt'), sha256 },
      { path: join(directory, 'link'), sha256 },
    ]);
    expect(
      tables.query(
        `SELECT count(*) AS n FROM hash WHERE path = '${directory}/a.txt' AND sha256 = '${sha256.toUpperCase()}'`,
      ).rows,
    ).toEqual([{ n: 1 }]);
    expect(
      tables.query(`SELECT filename, type, symlink, size FROM file WHERE path LIKE '${directory}/%'`).rows,
    ).toEqual([
      { filename: 'a.txt', type: 'regular', symlink: 0, size: 7 },
      { filename: 'link', type: 'regular', symlink: 1, size: 7 },
      { filename: 'loop', type: 'symlink', symlink: 1, size: join(directory, 'loop').length },
      { filename: 'pipe', type: 'fifo', symlink: 0, size: 0 },
    ]);
    expect(tables.query("SELECT sha1 FROM hash WHERE path = '/dev/zero'").rows).toEqual([]);
    expect(tables.query("SELECT path FROM file WHERE path = '/nowhere' OR path = 'relative'").rows).toEqual([]);
  });

  it('joins hash to the paths of another table', () => {
    const sql = `SELECT h.sha256 FROM processes p JOIN hash h ON h.path = p.path WHERE p.pid = ${process.pid}`;
    const [row] = tables.query(sql).rows;
    expect(row?.['sha256']).toMatch(/^[0-9a-f]{64}$/);
  });

  it('stops a search of the whole file system on timeout', () => {
    const { result } = tables.query("SELECT count(*) FROM hash WHERE path LIKE '/%%'", { ms: 100 });
    expect(result).toMatchObject({ ok: false, code: 'over_budget', limit: 'time' });
  });

  it('describes the machine', () => {
    expect(tables.query('SELECT hostname FROM system_info').rows).toEqual([{ hostname: hostname() }]);
    expect(tables.query("SELECT mac FROM interface_details WHERE interface = 'lo'").rows).toEqual([
      { mac: '00:00:00:00:00:00' },
    ]);
    expect(tables.query("SELECT address, mask FROM interface_addresses WHERE address = '127.0.0.1'").rows).toEqual([
      { address: '127.0.0.1', mask: '255.0.0.0' },
    ]);
    expect(tables.query('SELECT username FROM users WHERE uid = 0').rows).toEqual([{ username: 'root' }]);
    expect(Number(tables.query('SELECT total_seconds AS s FROM uptime').rows[0]?.['s'])).toBeGreaterThan(0);
  });

  it('refuses tables of other systems', () => {
    expect(tables.query("SELECT * FROM registry WHERE key = 'HKEY_LOCAL_MACHINE'").result).toMatchObject({
      ok: false,
      code: 'unsupported_table',
      message: 'table registry does not exist on linux',
    });
  });
});
