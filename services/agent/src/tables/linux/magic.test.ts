import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';

const FILES: Readonly<Record<string, string | Buffer>> = {
  'a b': 'plain\n',
  'line\nbreak': 'ünïcödé\n',
  '-v': '#!/bin/sh\n',
  empty: '',
  zipped: gzipSync('text'),
  picture: Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex'),
  forged: 'x\0/etc/shadow\0root\n',
};

const describeWithFile = existsSync('/usr/bin/file') ? describe : describe.skip;

describeWithFile('kinds of files', () => {
  let root: string;
  let tables: LinuxTables;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'muster-magic-'));
    mkdirSync(join(root, 'kinds'));
    for (const [name, content] of Object.entries(FILES)) writeFileSync(join(root, 'kinds', name), content);
    tables = await LinuxTables.open();
  });
  afterAll(() => {
    tables.close();
    rmSync(root, { recursive: true });
  });

  const told = (path: string, ...how: string[]): string =>
    execFileSync('/usr/bin/file', ['--brief', '--no-dereference', ...how, '--', path], { encoding: 'utf8' }).trim();

  it('are those that the program tells of each file alone, whatever its name and content', () => {
    const { rows, result } = tables.query(`SELECT * FROM magic WHERE path LIKE '${root}/kinds/%' ORDER BY path`);
    expect(result).toMatchObject({ ok: true, warnings: [] });
    const paths = Object.keys(FILES).map((name) => join(root, 'kinds', name));
    expect(rows).toEqual(
      paths.toSorted().map((path) => ({
        path,
        magic_db_files: '/usr/share/file/magic.mgc:/usr/share/misc/magic.mgc',
        data: told(path),
        mime_type: told(path, '--mime-type'),
        mime_encoding: told(path, '--mime-encoding'),
      })),
    );
    expect(rows.map(({ mime_type }) => mime_type)).toEqual(expect.arrayContaining(['image/png', 'text/x-shellscript']));
  });

  it('a link is a link, a pipe is not opened, and what is not there has no row', () => {
    writeFileSync(join(root, 'secret'), '#!/bin/secret\n', { mode: 0o600 });
    symlinkSync('secret', join(root, 'link'));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    const kind = (name: string) =>
      tables.query(`SELECT data, mime_type FROM magic WHERE path = '${root}/${name}'`).rows;
    expect(kind('link')).toEqual([{ data: 'symbolic link to secret', mime_type: 'inode/symlink' }]);
    expect(kind('pipe')).toEqual([{ data: 'fifo (named pipe)', mime_type: 'inode/fifo' }]);
    expect(kind('nowhere')).toEqual([]);
  });

  it('are told by another database where the statement names one, and not by one that a user led to', () => {
    const database = join(root, 'own.magic');
    writeFileSync(database, '0 string plain own kind of text\n', { mode: 0o600 });
    const sql = (path: string): string =>
      `SELECT data FROM magic WHERE path = '${root}/kinds/a b' AND magic_db_files = '${path}'`;
    expect(tables.query(sql(database)).rows).toEqual([{ data: 'own kind of text' }]);
    const link = join(root, 'link.magic');
    symlinkSync(database, link);
    if (process.getuid?.() === 0) lchownSync(link, 4711, 4711);
    const { rows, result } = tables.query(sql(link));
    const isRoot = process.getuid?.() === 0;
    expect(rows).toHaveLength(isRoot ? 0 : 1);
    expect(result).toMatchObject({ ok: true, warnings: isRoot ? [{ code: 'unreadable' }] : [] });
  });

  it.each<[string, (path: string) => void]>([
    ['a pipe', (path) => void execFileSync('mkfifo', [path])],
    ['a device', (path) => symlinkSync('/dev/zero', path)],
    ['a folder', (path) => mkdirSync(path)],
    ['nothing', () => {}],
    ['no database', (path) => writeFileSync(path, 'text')],
    ['a pipe as its compiled form', (path) => void execFileSync('mkfifo', [`${path}.mgc`])],
  ])('are told by no database that is %s', (what, make) => {
    const path = join(root, what);
    if (what.endsWith('form')) writeFileSync(path, '0 string plain own kind of text\n');
    make(path);
    const { rows, result } = tables.query(
      `SELECT data FROM magic WHERE path = '${root}/kinds/a b' AND magic_db_files = '${path}'`,
    );
    expect([rows, result.ok && result.warnings]).toEqual([
      [],
      [{ code: 'unreadable', count: 1, message: expect.stringMatching(/^magic_db_files: /) }],
    ]);
  });

  it('have a warning where the program tells none', async () => {
    const link = join(root, 'short-lived');
    symlinkSync('nowhere', link);
    const touch = (path: string): void => (path === '' ? rmSync(link, { force: true }) : undefined);
    const racing = await LinuxTables.open('/', { touch });
    const { rows, result } = racing.query(`SELECT data FROM magic WHERE path = '${link}'`);
    racing.close();
    expect(rows).toEqual([{ data: null }]);
    expect(result).toMatchObject({
      warnings: [{ code: 'unreadable', message: `${link}: file does not tell what it is` }],
    });
  });
});

const asRoot = process.getuid?.() === 0 && existsSync('/usr/bin/file') ? describe : describe.skip;

asRoot('kinds of files of root', () => {
  let root: string;
  let folder: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'muster-magic-'));
    chmodSync(root, 0o755);
    mkdirSync(join(root, 'secret'), { mode: 0o700 });
    writeFileSync(join(root, 'secret/id'), '#!/bin/secret\n', { mode: 0o600 });
    symlinkSync('hidden', join(root, 'secret/link'));
    folder = join(root, 'home');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const linkFolder = (): void => {
    symlinkSync('secret', folder);
    lchownSync(folder, 4711, 4711);
  };

  it.each(['id', 'link'])('are not told of %s by the link of a user to its folder', async (name) => {
    linkFolder();
    const tables = await LinuxTables.open();
    const { rows, result } = tables.query(`SELECT data FROM magic WHERE path = '${folder}/${name}'`);
    tables.close();
    expect([rows, result]).toMatchObject([[], { ok: true, warnings: [{ code: 'unreadable' }] }]);
  });

  it('are not told by a folder that becomes such a link when the program is asked', async () => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'id'), 'plain\n');
    symlinkSync('own', join(folder, 'link'));
    let isSwapped = false;
    const swap = (path: string): void => {
      if (path !== '' || isSwapped) return;
      isSwapped = true;
      renameSync(folder, `${folder}.before`);
      linkFolder();
    };
    const tables = await LinuxTables.open('/', { touch: swap });
    const { rows } = tables.query(`SELECT data FROM magic WHERE path LIKE '${folder}/%' ORDER BY path`);
    tables.close();
    expect([rows, isSwapped]).toEqual([[{ data: 'ASCII text' }, { data: 'broken symbolic link to own' }], true]);
  });
});
