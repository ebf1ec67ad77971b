import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';
import { System } from './system.js';

const UID = 4711;
const sha = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;

asRoot('paths of a statement on this machine', () => {
  let root: string;
  let tables: LinuxTables;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-ownership-'));
    chmodSync(root, 0o755);
    tables = await LinuxTables.open();
    for (const folder of ['secret', 'home']) mkdirSync(join(root, folder));
    chmodSync(join(root, 'secret'), 0o700);
    writeFileSync(join(root, 'secret/file'), 'of root');
    lchownSync(join(root, 'home'), UID, UID);
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    tables.close();
    rmSync(root, { recursive: true });
  });

  const link = (target: string, name: string, uid: number): string => {
    const path = join(root, 'home', name);
    symlinkSync(target, path);
    lchownSync(path, uid, uid);
    return path;
  };
  const hashOf = (path: string) => {
    const { rows, result } = tables.query(`SELECT sha256 FROM hash WHERE path = '${path}'`);
    return [rows[0]?.['sha256'], result.ok && result.warnings.map(({ code, message }) => [code, message])];
  };

  it('are read through links of root, and of users only to what is theirs or everybody’s', () => {
    const secret = sha(join(root, 'secret/file'));
    expect(hashOf(link('../secret/file', 'of-root', 0))).toEqual([secret, []]);
    const path = link('../secret/file', 'of-user', UID);
    const why = `${path} leads by the link of a user to a file of another user, and is not read`;
    expect(hashOf(path)).toEqual([null, [['unreadable', why]]]);
    expect(hashOf(join(link('../secret', 'folder', UID), 'file'))[0]).toBeNull();
    expect(hashOf(link('/bin/sh', 'program', UID))).toEqual([sha('/bin/sh'), []]);
    expect(hashOf(`${root}/home/.././/secret/file`)).toEqual([secret, []]);
  });

  it('are read through what the kernel has of a process, also when its program is gone', async () => {
    const program = join(root, 'program');
    copyFileSync('/bin/sleep', program);
    const child = spawn(program, ['600'], { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    expect(hashOf(`/proc/${child.pid}/exe`)).toEqual([sha('/bin/sleep'), []]);
    rmSync(program);
    expect(hashOf(`/proc/${child.pid}/exe`)).toEqual([sha('/bin/sleep'), []]);
    expect(hashOf(`/proc/${child.pid}/root/bin/sleep`)).toEqual([sha('/bin/sleep'), []]);
    expect(hashOf(`/proc/${child.pid}/root${link('../secret/file', 'by-process', UID)}`)[0]).toBeNull();
  });

  it('that become links while they are looked at are not read', () => {
    const warnings: string[] = [];
    const path = join(root, 'home/swapped');
    writeFileSync(path, 'own');
    const system = new System('/', { warn: (_code, what) => warnings.push(what) });
    let isSwapped = false;
    const swap = (): void => {
      if (isSwapped) return;
      isSwapped = true;
      rmSync(path);
      link('../secret/file', 'swapped', UID);
    };
    expect(system.ofStatement(swap).text(path)).toBeUndefined();
    expect(warnings).toEqual([`${path} leads by the link of a user to a file of another user, and is not read`]);
  });

  it.each([
    ['root', 0, 'of root'],
    ['another user', UID, undefined],
    ['its user', UID + 1, undefined],
  ])('in a home that a link of %s leads to', (who, uid, text) => {
    const warnings: string[] = [];
    const system = new System('/', { warn: (_code, what) => warnings.push(what) });
    const directory = link('../secret', `home of ${who}`, uid);
    expect(system.ofUser({ uid: UID + 1, directory }, { checkpoint: () => {} }).text(`${directory}/file`)).toBe(text);
    const why = `${directory}/file leads to a file of another user outside of this folder, and is not read`;
    expect(warnings).toEqual(text === undefined ? [why] : []);
  });
});
