import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { LinuxTables } from '../table-fixture.js';

/** What any user of a machine can put in the way of a question. */
describe('objects of a hostile user', () => {
  let root: string;
  let tables: LinuxTables;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-hostile-'));
    tables = await LinuxTables.open();
  });
  afterAll(() => {
    tables.close();
    for (const child of children) child.kill('SIGKILL');
    // rmSync calls itself for each level.
    execFileSync('/bin/rm', ['-rf', root]);
  });

  const start = (program: string, args: readonly string[]): number => {
    const child = spawn(program, args, { stdio: 'ignore' });
    children.push(child);
    return child.pid ?? 0;
  };

  it('folders in folders are searched as deep as paths can be, and what is deeper is told', () => {
    const levels = 3_000;
    const start = process.cwd();
    mkdirSync(join(root, 'deep'));
    process.chdir(join(root, 'deep'));
    for (let level = 0; level < levels; level += 1) {
      mkdirSync('d');
      process.chdir('d');
    }
    process.chdir(start);
    const reachable = Math.floor((4_095 - Buffer.byteLength(join(root, 'deep'))) / 2);
    const { result, rows } = tables.query(`SELECT count(*) AS n FROM file WHERE path LIKE '${root}/deep/%%'`);
    expect(rows).toEqual([{ n: reachable }]);
    expect(result).toMatchObject({ ok: true, warnings: [{ code: 'too_large', count: 1 }] });
  });

  it('megabytes of arguments cost their own cell, also when many have them', async () => {
    const pids = Array.from({ length: 20 }, () =>
      start('/bin/sh', ['-c', 'sleep 600; :', ...Array.from({ length: 14 }, () => 'A'.repeat(120_000))]),
    );
    await eventually(() => {
      const { rows } = tables.query("SELECT pid FROM processes WHERE cmdline LIKE '%AAAA%'");
      const running = new Set(rows.map(({ pid }) => pid));
      return pids.every((pid) => running.has(pid));
    }, 'all have their arguments');
    const { result, rows } = tables.query('SELECT pid, cmdline FROM processes', { bytes: 4 * 1024 * 1024 });
    expect(rows.map(({ pid }) => pid)).toEqual(expect.arrayContaining([1, process.pid, ...pids]));
    expect(result).toMatchObject({
      ok: true,
      warnings: expect.arrayContaining([expect.objectContaining({ code: 'cut' })]),
    });
  });

  it('a huge file is not hashed when WHERE leaves it out, and else takes no hash of another', () => {
    mkdirSync(join(root, 'hash'));
    writeFileSync(join(root, 'hash/a-huge'), '');
    truncateSync(join(root, 'hash/a-huge'), 2 ** 40);
    writeFileSync(join(root, 'hash/b-huge'), '');
    truncateSync(join(root, 'hash/b-huge'), 2 ** 40);
    writeFileSync(join(root, 'hash/small'), 'x');
    const sha256 = createHash('sha256').update('x').digest('hex');
    const sql = `SELECT sha256 FROM hash WHERE directory = '${root}/hash'`;
    const left = tables.query(`${sql} AND path NOT LIKE '%huge'`, { ms: 20_000 });
    expect(left).toMatchObject({ result: { ok: true, warnings: [] }, rows: [{ sha256 }] });
    const all = tables.query(sql, { ms: 10_000 });
    expect(all.rows).toEqual([{ sha256: null }, { sha256: null }, { sha256 }]);
    expect(all.result).toMatchObject({ ok: true, warnings: [{ code: 'too_slow', count: 2 }] });
  });

  it('names that are not UTF-8 are files like others, and are found again by what was told', () => {
    const raw = (path: string): Buffer => Buffer.from(join(root, path), 'latin1');
    mkdirSync(raw('raw'));
    mkdirSync(raw('raw/e\xfe'));
    for (const name of ['plain', 'b\xff', 'e\xfe/inside']) writeFileSync(raw(`raw/${name}`), name);
    symlinkSync(Buffer.from('b\xff', 'latin1'), raw('raw/link'));
    const under = (what: string) => tables.query(`SELECT path FROM ${what}`).rows.map(({ path }) => String(path));
    const found = under(`file WHERE path LIKE '${root}/raw/%%'`);
    expect(found).toHaveLength(5);
    expect(under(`hash WHERE directory = '${root}/raw' AND sha256 IS NOT NULL`)).toHaveLength(3);
    for (const path of found) expect(under(`file WHERE path = '${path}' AND size > 0`)).toEqual([path]);
    expect(under(`file WHERE path = '${root}/raw/b' || char(0xefff)`)).toEqual([`${root}/raw/b\uefff`]);
    expect(tables.query(`SELECT symlink_target_path AS t FROM file WHERE path = '${root}/raw/link'`).rows).toEqual([
      { t: 'b\uefff' },
    ]);
  });

  it('a thread is no process, in any table that has processes', () => {
    const threads = readdirSync('/proc/self/task').filter((id) => Number(id) !== process.pid);
    expect(threads.length).toBeGreaterThan(0);
    for (const table of ['processes', 'process_envs', 'process_open_files', 'process_open_sockets']) {
      expect(tables.query(`SELECT pid FROM ${table} WHERE pid = ${threads[0]}`).rows).toEqual([]);
    }
    expect(tables.query(`SELECT pid FROM processes WHERE pid = ${process.pid}`).rows).toEqual([{ pid: process.pid }]);
  });
});
