import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lchownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  closeSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createActions } from '../create-actions.js';
import { textOfBytes } from '@muster/protocol';
import { testCall, testHost, runAction } from '../testing/action-harness.js';
import { QuarantineStore } from './quarantine-store.js';

const isRoot = process.getuid?.() === 0;
const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

let root: string;
let data: string;
let file: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'quarantine-')));
  data = join(root, 'data');
  mkdirSync(join(root, 'home'));
  file = join(root, 'home', 'abc.exe');
  writeFileSync(file, 'evil', { mode: 0o755 });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const host = (): ReturnType<typeof testHost> => testHost({ dataDir: data });
const vaultFiles = (): string[] => (existsSync(join(data, 'quarantine')) ? readdirSync(join(data, 'quarantine')) : []);

describe('a quarantined file', () => {
  test('is removed, stored privately and not executable, and restored unchanged', async () => {
    chmodSync(file, 0o4751);
    utimesSync(file, 1_000_000.5, 2_000_000.25);
    if (isRoot) execFileSync('chown', ['1234:2345', file]);
    if (isRoot) chmodSync(file, 0o4751);
    const before = statSync(file);
    const quarantined = await runAction(host(), 'file.quarantine', { params: { path: file } });
    expect(quarantined).toMatchObject({ state: 'succeeded', effects: [expect.stringContaining(sha('evil'))] });
    expect(existsSync(file)).toBe(false);
    const names = vaultFiles();
    expect(names).toHaveLength(2);
    expect(statSync(join(data, 'quarantine')).mode & 0o777).toBe(0o700);
    for (const name of names) expect(statSync(join(data, 'quarantine', name)).mode & 0o177).toBe(0);

    const restored = await runAction(host(), 'file.restore', { params: { path: file } });
    expect(restored.state).toBe('succeeded');
    const after = statSync(file);
    expect(readFileSync(file, 'utf8')).toBe('evil');
    expect([after.mode, after.uid, after.gid]).toEqual([before.mode, before.uid, before.gid]);
    expect([after.mtimeMs, after.atimeMs > 0]).toEqual([before.mtimeMs, true]);
    expect(vaultFiles()).toEqual([]);
    expect(readdirSync(join(root, 'home'))).toEqual(['abc.exe']);
    expect(await runAction(host(), 'file.restore', { params: { path: file } })).toMatchObject({ code: 'not_found' });
  });

  test('with holes takes only the room of what is written in it, kept and put back', async () => {
    const size = 200 * 1024 * 1024;
    writeFileSync(file, Buffer.alloc(100_000, 'a'));
    truncateSync(file, size / 2);
    writeFileSync(file, Buffer.alloc(70_000, 'z'), { flag: 'a' });
    truncateSync(file, size);
    const sum = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
    const before = sum(file);
    const onDisk = (path: string) => statSync(path).blocks * 512;
    const quarantined = await runAction(host(), 'file.quarantine', { params: { path: file } });
    expect(quarantined).toMatchObject({ state: 'succeeded', effects: [expect.stringContaining(before)] });
    const kept = vaultFiles().find((name) => name.endsWith('.data')) ?? '';
    expect(onDisk(join(data, 'quarantine', kept))).toBeLessThan(1024 * 1024);
    expect((await runAction(host(), 'file.restore', { params: { path: file } })).state).toBe('succeeded');
    expect([statSync(file).size, sum(file)]).toEqual([size, before]);
    expect(onDisk(file)).toBeLessThan(1024 * 1024);
  });

  test.each([false, true])('of 500 GB of holes is refused at once, and stays (dry run: %s)', async (dryRun) => {
    writeFileSync(file, 'evil');
    truncateSync(file, 500e9);
    const before = process.cpuUsage();
    expect(await runAction(host(), 'file.quarantine', { params: { path: file }, dryRun })).toMatchObject({
      state: 'refused',
      code: 'too_large',
    });
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(5_000);
    expect([statSync(file).size, vaultFiles()]).toEqual([500e9, []]);
  });

  test('is found by a name that is not UTF-8, and put back under the same bytes', async () => {
    if (process.platform !== 'linux') return;
    const folder = Buffer.from(join(root, 'home', 'd\xfe'), 'latin1');
    const name = Buffer.concat([folder, Buffer.from('/b\xff', 'latin1')]);
    mkdirSync(folder);
    writeFileSync(name, 'raw');
    const path = textOfBytes(name);
    expect(await runAction(host(), 'file.quarantine', { params: { path } })).toMatchObject({ state: 'succeeded' });
    expect(existsSync(name)).toBe(false);
    expect(await runAction(host(), 'file.restore', { params: { path } })).toMatchObject({ state: 'succeeded' });
    expect(readFileSync(name, 'utf8')).toBe('raw');
    expect(readdirSync(folder, { encoding: 'buffer' })).toEqual([Buffer.from('b\xff', 'latin1')]);
  });

  test('is stored once per command, and the latest or the requested one is restored', async () => {
    await runAction(host(), 'file.quarantine', { params: { path: file }, id: 'one' });
    writeFileSync(file, 'worse');
    const second = await runAction(host(), 'file.quarantine', { params: { path: file }, id: 'two' });
    const item = /item (\w+)/.exec(second.effects?.[0] ?? '')?.[1] ?? '';
    await runAction(host(), 'file.restore', { params: { path: file, sha256: sha('evil').toUpperCase() } });
    expect(readFileSync(file, 'utf8')).toBe('evil');
    rmSync(file);
    await runAction(host(), 'file.restore', { params: { item } });
    expect(readFileSync(file, 'utf8')).toBe('worse');
  });

  test('is restored by the undo saved before anything changed', async () => {
    const call = testCall(host(), 'file.quarantine', { params: { path: file } });
    let seenAtKeep = false;
    const actions = createActions(host());
    await actions.run({
      ...call,
      keepUndo: async (info) => {
        seenAtKeep = existsSync(file) && vaultFiles().length === 0;
        await call.keepUndo(info);
      },
    });
    expect(seenAtKeep).toBe(true);
    const undo = testCall(host(), 'undo', { params: { command: 'command1' }, id: 'command2' });
    const dry = await actions.undo({ ...undo, dryRun: true }, 'file.quarantine', call.kept[0] ?? null);
    expect(dry).toMatchObject({ state: 'succeeded', code: 'dry_run' });
    expect(existsSync(file)).toBe(false);
    expect(await actions.undo(undo, 'file.quarantine', call.kept[0] ?? null)).toMatchObject({ state: 'succeeded' });
    expect(readFileSync(file, 'utf8')).toBe('evil');
    const again = await actions.undo(undo, 'file.quarantine', call.kept[0] ?? null);
    expect(again).toMatchObject({ state: 'failed', code: 'not_kept' });
  });
});

describe('nothing changes', () => {
  test('in a dry run, which reports what would be done', async () => {
    const dry = await runAction(host(), 'file.quarantine', { params: { path: file }, dryRun: true });
    expect(dry).toMatchObject({ state: 'succeeded', effects: [expect.stringMatching(/^would move .*abc\.exe/)] });
    expect(readFileSync(file, 'utf8')).toBe('evil');
    expect(vaultFiles()).toEqual([]);
  });

  test('when the content or the bound file differs', async () => {
    const { ino, size, mtimeMs } = statSync(file);
    const row = { path: file, inode: ino, size, mtime: Math.floor(mtimeMs / 1000) };
    for (const call of [
      { params: { path: file, sha256: sha('good') } },
      { binding: { path: file, sha256: sha('good') } },
      { binding: { ...row, inode: ino + 1 } },
      { binding: { ...row, size: 5 } },
      { binding: { ...row, mtime: 1 } },
    ]) {
      expect(await runAction(host(), 'file.quarantine', call)).toMatchObject({ state: 'refused', code: 'changed' });
    }
    expect(vaultFiles()).toEqual([]);
    expect(await runAction(host(), 'file.quarantine', { binding: row })).toMatchObject({ state: 'succeeded' });
  });

  test('when it is a link, a folder, a pipe, a device or missing', async () => {
    const link = join(root, 'home', 'link');
    symlinkSync(file, link);
    const pipe = join(root, 'home', 'pipe');
    execFileSync('mkfifo', [pipe]);
    const quarantine = (path: string): Promise<unknown> => runAction(host(), 'file.quarantine', { params: { path } });
    expect(await quarantine(link)).toMatchObject({ state: 'refused', code: 'symlink' });
    expect(await quarantine(join(root, 'home'))).toMatchObject({ state: 'refused', code: 'not_a_file' });
    expect(await quarantine(pipe)).toMatchObject({ state: 'refused', code: 'not_a_file' });
    expect(await quarantine('/dev/null')).toMatchObject({ state: 'refused' });
    expect(await quarantine(`${file}x`)).toMatchObject({ state: 'failed', code: 'not_found' });
    expect(await quarantine(`${file}/x`)).toMatchObject({ state: 'failed', code: 'not_found' });
    expect(await quarantine(`${root}//home/abc.exe`)).toMatchObject({ state: 'refused', code: 'bad_path' });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('evil');
  });

  test('for files of the agent, the kernel, the C library, init and the configured paths, by any name', async () => {
    mkdirSync(data);
    writeFileSync(join(data, 'identity.json'), '{}');
    const alias = join(root, 'home', 'data');
    symlinkSync(data, alias);
    const libc = readFileSync('/proc/self/maps', 'utf8').match(/\/\S*libc\.so\S*/)?.[0] ?? process.execPath;
    const paths = [join(data, 'identity.json'), join(alias, 'identity.json'), process.execPath, libc];
    const program = new URL('./quarantine.test.js', import.meta.url).pathname;
    for (const path of [...paths, '/proc/self/status', '/sys/kernel/notes', '/etc/passwd', '/bin/sh', program]) {
      const result = await runAction(host(), 'file.quarantine', { params: { path: realpathSync(path) } });
      expect([path, result.state, result.code]).toEqual([path, 'refused', 'protected']);
    }
    const own = testHost({ dataDir: data, protects: [join(root, 'home')] });
    expect(await runAction(own, 'file.quarantine', { params: { path: file } })).toMatchObject({ code: 'protected' });
  });

  test('when it is cancelled', async () => {
    const cancel = new AbortController();
    const call = testCall(host(), 'file.quarantine', { params: { path: file }, signal: cancel.signal });
    const keepUndo = (): void => cancel.abort();
    expect(await createActions(host()).run({ ...call, keepUndo })).toMatchObject({ state: 'cancelled' });
    expect(existsSync(file)).toBe(true);
    expect(vaultFiles()).toEqual([]);
  });
});

(isRoot ? describe : describe.skip)('an attacker with a folder', () => {
  test('cannot choose the file of another by a link on the way', async () => {
    const way = join(root, 'way');
    symlinkSync('home', way);
    const quarantine = (options = {}): Promise<unknown> =>
      runAction(host(), 'file.quarantine', { params: { path: join(way, 'abc.exe') }, ...options });
    lchownSync(way, 4711, 4711);
    const message = `a link of user 4711 is on the way to ${way}/abc.exe, which leads to ${file} of user 0`;
    expect(await quarantine()).toMatchObject({ state: 'refused', code: 'symlink', message });
    expect(readFileSync(file, 'utf8')).toBe('evil');
    // One of root, and one to what is its owner's, are followed.
    lchownSync(way, 0, 0);
    expect(await quarantine({ dryRun: true })).toMatchObject({ state: 'succeeded' });
    for (const path of [way, file]) lchownSync(path, 4711, 4711);
    expect(await quarantine()).toMatchObject({ state: 'succeeded' });
  });
});

describe('an attacker', () => {
  test('replaces the file by a link: neither the link nor its target changes', async () => {
    const victim = join(root, 'victim');
    writeFileSync(victim, 'precious');
    const call = testCall(host(), 'file.quarantine', { params: { path: file } });
    const keepUndo = (): void => {
      renameSync(file, `${file}.moved`);
      symlinkSync(victim, file);
    };
    expect(await createActions(host()).run({ ...call, keepUndo })).toMatchObject({ state: 'failed', code: 'changed' });
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(lstatSync(file).isSymbolicLink()).toBe(true);
    expect(vaultFiles()).toEqual([]);
  });

  test('replaces the folder by a link: the checked file is the one removed', async () => {
    const victim = join(root, 'victim');
    mkdirSync(victim);
    writeFileSync(join(victim, 'abc.exe'), 'precious');
    const call = testCall(host(), 'file.quarantine', { params: { path: file } });
    const keepUndo = (): void => {
      renameSync(join(root, 'home'), join(root, 'away'));
      symlinkSync(victim, join(root, 'home'));
    };
    expect(await createActions(host()).run({ ...call, keepUndo })).toMatchObject({ state: 'succeeded' });
    expect(readFileSync(join(victim, 'abc.exe'), 'utf8')).toBe('precious');
    expect(existsSync(join(root, 'away', 'abc.exe'))).toBe(false);
    // The restore does not follow the link either.
    const restored = await runAction(host(), 'file.restore', { params: { path: file } });
    expect(restored).toMatchObject({ state: 'refused', code: 'folder_moved' });
    expect(readdirSync(victim)).toEqual(['abc.exe']);
    expect(vaultFiles()).toHaveLength(2);
  });

  test('writes to the file during the copy: the file stays', async () => {
    const call = testCall(host(), 'file.quarantine', { params: { path: file } });
    const keepUndo = (): void => writeFileSync(file, 'changed content');
    expect(await createActions(host()).run({ ...call, keepUndo })).toMatchObject({ state: 'failed', code: 'changed' });
    expect(readFileSync(file, 'utf8')).toBe('changed content');
    expect(vaultFiles()).toEqual([]);
  });

  test('has another name for the file: only this name is removed, and the result reports the others', async () => {
    linkSync(file, join(root, 'home', 'other'));
    const result = await runAction(host(), 'file.quarantine', { params: { path: file } });
    expect(result).toMatchObject({
      state: 'succeeded',
      effects: [expect.anything(), expect.stringMatching(/1 other name/)],
    });
    expect(readFileSync(join(root, 'home', 'other'), 'utf8')).toBe('evil');
  });

  test('creates a file, a dangling link or a folder at the path: nothing is overwritten, and the item stays', async () => {
    await runAction(host(), 'file.quarantine', { params: { path: file } });
    const restore = (): Promise<unknown> => runAction(host(), 'file.restore', { params: { path: file } });
    for (const put of [
      () => writeFileSync(file, 'new'),
      () => symlinkSync('/nowhere/at/all', file),
      () => mkdirSync(file),
    ]) {
      put();
      expect(await restore()).toMatchObject({ state: 'refused', code: 'exists' });
      rmSync(file, { recursive: true });
    }
    expect(existsSync('/nowhere')).toBe(false);
    rmSync(join(root, 'home'), { recursive: true });
    expect(await restore()).toMatchObject({ state: 'failed', code: 'no_folder' });
    mkdirSync(join(root, 'home'));
    expect(await restore()).toMatchObject({ state: 'succeeded' });
    expect(readdirSync(join(root, 'home'))).toEqual(['abc.exe']);
  });

  test('changes the stored content: it is not restored', async () => {
    await runAction(host(), 'file.quarantine', { params: { path: file } });
    const kept = vaultFiles().find((name) => name.endsWith('.data')) ?? '';
    chmodSync(join(data, 'quarantine', kept), 0o600);
    writeFileSync(join(data, 'quarantine', kept), 'other');
    const result = await runAction(host(), 'file.restore', { params: { path: file } });
    expect(result).toMatchObject({ state: 'failed', code: 'corrupt' });
    expect(readdirSync(join(root, 'home'))).toEqual([]);
  });
});

describe('on other file systems', () => {
  let mounted: string | undefined;
  beforeEach(() => {
    mounted = join(root, 'small');
    mkdirSync(mounted);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', mounted], { stdio: 'pipe' });
    } catch {
      process.stderr.write('skipped: a file system cannot be mounted here\n');
      mounted = undefined;
    }
  });
  afterEach(() => {
    if (mounted !== undefined) execFileSync('umount', ['-l', mounted]);
  });

  test('nothing is taken when the quarantine would use the reserve', async () => {
    if (mounted === undefined) return;
    const result = await runAction(testHost({ dataDir: mounted }), 'file.quarantine', { params: { path: file } });
    expect(result).toMatchObject({ state: 'failed', code: 'no_space' });
    expect(readFileSync(file, 'utf8')).toBe('evil');
    expect(readdirSync(join(mounted, 'quarantine'))).toEqual([]);
  });

  test('a file is quarantined across file systems and restored', async () => {
    if (mounted === undefined) return;
    const path = join(mounted, 'x');
    writeFileSync(path, 'far away', { mode: 0o640 });
    expect(await runAction(host(), 'file.quarantine', { params: { path } })).toMatchObject({ state: 'succeeded' });
    expect(existsSync(path)).toBe(false);
    expect(await runAction(host(), 'file.restore', { params: { path } })).toMatchObject({ state: 'succeeded' });
    expect([readFileSync(path, 'utf8'), statSync(path).mode & 0o7777]).toEqual(['far away', 0o640]);
  });

  test('a full disk during copy or restore leaves nothing behind', async () => {
    if (mounted === undefined) return;
    writeFileSync(file, Buffer.alloc(2 * 1024 * 1024, 7));
    const store = new QuarantineStore(mounted, 0);
    const from = await open(file, 'r');
    await expect(store.copyIn('0'.repeat(32), from, new AbortController().signal)).rejects.toMatchObject({
      code: 'ENOSPC',
    });
    await from.close();
    expect(readdirSync(join(mounted, 'quarantine'))).toEqual([]);
    const path = join(mounted, 'x');
    writeFileSync(path, Buffer.alloc(600 * 1024, 7));
    expect(await runAction(host(), 'file.quarantine', { params: { path } })).toMatchObject({ state: 'succeeded' });
    const filler = openSync(join(mounted, 'filler'), 'w');
    writeFileSync(filler, Buffer.alloc(700 * 1024, 1));
    closeSync(filler);
    const result = await runAction(host(), 'file.restore', { params: { path } });
    expect(result).toMatchObject({ state: 'failed', code: 'no_space' });
    expect(readdirSync(mounted).toSorted()).toEqual(['filler', 'quarantine']);
    rmSync(join(mounted, 'filler'));
    expect(await runAction(host(), 'file.restore', { params: { path } })).toMatchObject({ state: 'succeeded' });
  });
});
