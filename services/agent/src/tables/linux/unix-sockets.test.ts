import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { CollectRequest } from '@muster/tables';
import { System } from '../contract/system.js';
import { UnixListeners } from '../../testing/unix-listeners.js';
import { LinuxTables } from '../table-fixture.js';
import { parseSsUnix } from './parse/ss-unix.js';
import { unixSockets } from './unix-sockets.js';

const LINE = '0000000000000000: 00000002 00000000 00010000 0001 01';
/** As the kernel writes a socket, and as ss does. */
const FORGED = [`\0a\n${LINE} 4000000000 /run/docker.sock`, '\0b\nu_str LISTEN 0 9 /run/docker.sock 4000000000 * 0'];
const PLAIN = ['\0plain', '\0two\0parts', '\0raw\xff', '\0like ss 12 * 0 '];
const SHOWN = ['@plain', '@two@parts', '@raw\uefff', '@like ss 12 * 0 '];

const whereThere = UnixListeners.areHere() ? describe : describe.skip;

whereThere('Unix sockets with names that look like the lines of others', () => {
  let folder: string;
  let tables: LinuxTables;
  let listeners: UnixListeners;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'muster-unix-'));
    tables = await LinuxTables.open();
  });
  afterAll(() => {
    tables.close();
    rmSync(folder, { recursive: true });
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    await listeners.end();
  });

  const start = async (names: readonly string[]): Promise<void> => {
    listeners = await UnixListeners.start(names, folder);
  };
  const ofListeners = (table: string) =>
    tables.query(`SELECT socket, path FROM ${table} WHERE pid = ${listeners.pid} AND family = 1 ORDER BY fd`);

  function withoutSs() {
    const system = new System();
    const exists = system.exists.bind(system);
    jest.spyOn(system, 'exists').mockImplementation((file) => !file.endsWith('/ss') && exists(file));
    const warnings: unknown[] = [];
    const request = { warn: (code: unknown) => void warnings.push(code) } as unknown as CollectRequest;
    const paths = unixSockets(system, request, `/proc/${listeners.pid}/net`).map(({ path }) => path);
    return { paths: paths.sort(), warnings };
  }

  (spawnSync('ss', ['-V']).status === 0 ? describe : describe.skip)('listed by ss', () => {
    it('with ss: forge none, hide none, and are told', async () => {
      await start(PLAIN);
      for (const table of ['process_open_sockets', 'listening_ports']) {
        const { result, rows } = ofListeners(table);
        expect(rows.map(({ path }) => path)).toEqual(SHOWN);
        expect(result).toMatchObject({ ok: true, warnings: [] });
      }
      await listeners.end();
      const victim = join(folder, 'v');
      await start([victim, ...FORGED, ...PLAIN, join(folder, '\nx')]);
      const { result, rows } = ofListeners('listening_ports');
      expect(rows.map(({ path }) => path)).toEqual([victim, ...SHOWN]);
      expect(result).toMatchObject({ ok: true, warnings: [{ code: 'ambiguous', count: 1 }] });
      const forged = "SELECT path FROM listening_ports WHERE path LIKE '%docker.sock' AND socket = 4000000000";
      expect(tables.query(forged).rows).toEqual([]);
    });
  });

  it('without ss: as the kernel lists them, where it counts as many; else none, which is told', async () => {
    await start(PLAIN);
    expect(withoutSs()).toEqual({ paths: [...SHOWN].sort(), warnings: [] });
    for (const one of FORGED) {
      await listeners.end();
      await start([one, ...PLAIN]);
      expect(withoutSs()).toEqual({ paths: [], warnings: ['ambiguous'] });
    }
  });

  it('also where the only name is in the lines below: there is a line more than sockets', async () => {
    await start([`\n${LINE} 4000000000`]);
    expect(withoutSs()).toEqual({ paths: [], warnings: ['ambiguous'] });
  });
});

describe('what ss writes', () => {
  it('ends in the columns of the kernel, whatever the name ends in', () => {
    const output = 'u_str LISTEN 0      3   @plain 12 * 0  342133 * 0     \nu_dgr ESTAB 0 0 * 7 * 8\n';
    expect(Array.from(parseSsUnix(output))).toMatchObject([
      { path: '@plain 12 * 0 ', inode: 342133, listening: true, isDiagnosed: true },
      { path: '', inode: 7, listening: false, isDiagnosed: true },
    ]);
  });
});
