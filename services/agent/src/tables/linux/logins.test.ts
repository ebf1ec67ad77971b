import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';

/** A record of utmp(5); texts are bytes. */
function record(type: number, tty: string, user: string, time: number): Buffer {
  const bytes = Buffer.alloc(384);
  bytes.writeInt16LE(type, 0);
  bytes.write(tty, 8, 'latin1');
  bytes.write(user, 44, 'latin1');
  bytes.writeUInt32LE(time, 340);
  return bytes;
}
const RECORDS = Buffer.concat([
  record(2, '~', 'reboot', 1),
  record(7, 'pts/0', 'alice', 2),
  record(8, 'pts/0', '', 3),
  record(1, '~', 'runlevel', 4),
  record(7, 'pts/1', 'b\xffb', 5),
  record(6, 'tty1', 'LOGIN', 6),
]);

describe('records of logins', () => {
  let root: string;
  let tables: LinuxTables;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-logins-'));
    for (const folder of ['var/log', 'run']) mkdirSync(join(root, folder), { recursive: true });
    for (const file of ['var/log/wtmp', 'run/utmp']) writeFileSync(join(root, file), RECORDS);
    tables = await LinuxTables.open(root);
  });
  afterAll(() => {
    tables.close();
    rmSync(root, { recursive: true });
  });

  test('last has logins and logouts alone, in the words of osquery', () => {
    expect(tables.query('SELECT username, type, type_name, time FROM last ORDER BY time').rows).toEqual([
      { username: 'alice', type: 7, type_name: 'user-process', time: 2 },
      { username: '', type: 8, type_name: 'dead-process', time: 3 },
      { username: 'b\uefffb', type: 7, type_name: 'user-process', time: 5 },
    ]);
  });

  test('logged_in_users has the words of osquery, and names that are not UTF-8', () => {
    expect(tables.query('SELECT type, user FROM logged_in_users ORDER BY time').rows).toEqual([
      { type: 'boot_time', user: 'reboot' },
      { type: 'user', user: 'alice' },
      { type: 'dead', user: '' },
      { type: 'runlevel', user: 'runlevel' },
      { type: 'user', user: 'b\uefffb' },
      { type: 'login', user: 'LOGIN' },
    ]);
  });
});
