import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ActionResult } from '../contract/action.js';
import { testHost, playback, runAction, type TestCallOptions, type RecordedRun } from '../testing/action-harness.js';
import { parseDpkgQuery, parseSimulation } from './dpkg.js';

const NAME = `muster-test-${randomBytes(4).toString('hex')}`;
let folder: string;
/** Where it is false the tests are skipped, and counted as such. */
const canInstall = process.getuid?.() === 0 && existsSync('/usr/bin/dpkg-deb');

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'package-'));
  if (!canInstall) return;
  execFileSync('dpkg', ['-i', buildDeb(NAME, ''), buildDeb(`${NAME}-user`, `Depends: ${NAME}\n`)], { stdio: 'pipe' });
});
afterAll(() => {
  if (canInstall) execFileSync('dpkg', ['--purge', `${NAME}-user`, NAME], { stdio: 'pipe' });
  rmSync(folder, { recursive: true, force: true });
});

/** A package with one file in /etc, so that remove and purge differ. */
function buildDeb(name: string, more: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, 'DEBIAN'), { recursive: true });
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc', name), 'x\n');
  writeFileSync(join(root, 'DEBIAN', 'conffiles'), `/etc/${name}\n`);
  const control = `Package: ${name}\nVersion: 1.2-3\nArchitecture: all\nMaintainer: Test <test@example.com>\n${more}Description: test\n`;
  writeFileSync(join(root, 'DEBIAN', 'control'), control);
  const deb = join(folder, `${name}.deb`);
  execFileSync('dpkg-deb', ['--build', '--root-owner-group', root, deb], { stdio: 'pipe' });
  return deb;
}

const remove = (call: TestCallOptions): Promise<ActionResult> =>
  runAction(testHost({ dataDir: folder }), 'package.remove', call);
const status = (name: string): string =>
  execFileSync('dpkg-query', ['-W', '-f=${db:Status-Status}', name], { encoding: 'utf8' });

(canInstall ? describe : describe.skip)('a package on this machine', () => {
  test('is removed only in the bound version, without other packages, and with its configuration on purge', async () => {
    const user = `${NAME}-user`;
    for (const call of [
      { params: { name: user, version: '1.2-4' } },
      { binding: { name: user, version: '1.2-4', arch: 'all' } },
      { binding: { name: user, version: '1.2-3', arch: 'amd64' } },
      { binding: { name: `${user}x`, version: '1.2-3', arch: 'all' } },
    ]) {
      expect(await remove(call)).toMatchObject({ state: 'refused', code: 'changed' });
    }
    expect(await remove({ params: { name: `${user}x` } })).toMatchObject({ state: 'succeeded', code: 'unchanged' });
    const needed = await remove({ params: { name: NAME } });
    expect(needed).toMatchObject({ state: 'refused', code: 'needed', message: expect.stringContaining(user) });
    const row = { name: user, version: '1.2-3', arch: 'all' };
    expect(await remove({ binding: row, dryRun: true })).toMatchObject({
      state: 'succeeded',
      effects: [`would remove package ${user} 1.2-3 (all)`],
    });
    expect(status(user)).toBe('installed');
    execFileSync('dpkg', ['--set-selections'], { input: `${user} hold\n` });
    for (const dryRun of [true, false])
      expect(await remove({ binding: row, dryRun })).toMatchObject({ state: 'refused', code: 'held' });
    execFileSync('dpkg', ['--set-selections'], { input: `${user} install\n` });

    expect(await remove({ binding: row })).toMatchObject({ state: 'succeeded' });
    expect(status(user)).toBe('config-files');
    expect(await remove({ binding: row })).toMatchObject({ state: 'refused', code: 'changed' });
    const purged = await remove({ params: { name: NAME, version: '1.2-3', arch: 'all', purge: true } });
    expect(purged).toMatchObject({ state: 'succeeded', effects: [`purged package ${NAME}:all 1.2-3`] });
    expect(status(NAME)).toBe('not-installed');
  });

  test('is protected when the system, the agent or the configuration needs it', async () => {
    for (const name of ['dpkg', 'libc6', 'bash', 'libc-bin']) {
      expect(await remove({ params: { name } })).toMatchObject({ state: 'refused' });
    }
    const owned = testHost({ dataDir: folder, protects: ['tzdata', 'gzip'] });
    expect(await runAction(owned, 'package.remove', { params: { name: 'gzip' } })).toMatchObject({ code: 'protected' });
  });

  test('cannot be given as a pattern or an option', async () => {
    for (const name of ['a*', 'x y', 'a=1', 'pkg:amd64', '../x', 'A']) {
      expect(await remove({ params: { name } })).toMatchObject({ state: 'refused', code: 'bad_params' });
    }
    for (const name of ['--help', '-y']) expect((await remove({ params: { name } })).state).toBe('refused');
  });
});

const QUERY_FORMAT = '%{NAME}\\t%{VERSION}\\t%{RELEASE}\\t%{ARCH}\\t%{EPOCH}\\n';
const rpmQuery = (...rest: string[]): string[] => ['rpm', '-q', '--queryformat', QUERY_FORMAT, ...rest];
const OWNERS: RecordedRun = {
  argv: rpmQuery('-f', ...[process.execPath, '/sbin/init'].filter((path) => existsSync(path))),
  stdout: 'nodejs\t20.19.1\t1.el9\tx86_64\t1\nsystemd\t252\t51.el9\tx86_64\t(none)\n',
};
const NO_DPKG: RecordedRun = {
  argv: [
    'dpkg-query',
    '-W',
    '-f=${Package}\\t${Version}\\t${Architecture}\\t${db:Status-Status}\\t${Essential}\\t${Protected}\\t${Priority}\\t${db:Status-Want}\\n',
    '--',
    'adware',
  ],
  code: 127,
};

describe('an RPM package (recorded)', () => {
  const installed = { argv: rpmQuery('adware'), stdout: 'adware\t1.0\t2.el9\tnoarch\t(none)\n' };
  const row = { name: 'adware', version: '1.0', release: '2.el9', arch: 'noarch' };
  const play = async (recorded: readonly RecordedRun[], call: TestCallOptions): Promise<ActionResult> => {
    const run = playback(recorded);
    const result = await runAction(testHost({ dataDir: folder, run }), 'package.remove', call);
    expect(run.rest).toEqual([]);
    return result;
  };

  test('is tested first, then removed by its full name', async () => {
    const target = 'adware-1.0-2.el9.noarch';
    const argv = [
      installed,
      OWNERS,
      { argv: ['rpm', '-e', '--test', target] },
      { argv: ['rpm', '-e', target] },
      { argv: rpmQuery(target), code: 1, stdout: `package ${target} is not installed\n` },
    ];
    expect(await play(argv, { binding: { ...row, epoch: 0 } })).toMatchObject({ state: 'succeeded' });
    expect(await play(argv.slice(0, 3), { binding: row, dryRun: true })).toMatchObject({ code: 'dry_run' });
    // Without a row, rpm is tried only when there is no dpkg.
    expect(await play([NO_DPKG, ...argv], { params: { name: 'adware' } })).toMatchObject({ state: 'succeeded' });
  });

  test('is not removed when it differs, is needed by others, or is essential', async () => {
    expect(await play([installed], { binding: { ...row, version: '0.9' } })).toMatchObject({ code: 'changed' });
    const absent = { argv: rpmQuery('adware'), code: 1, stdout: 'package adware is not installed\n' };
    expect(await play([absent], { binding: row })).toMatchObject({ state: 'refused', code: 'changed' });
    const needed = {
      argv: ['rpm', '-e', '--test', 'adware-1.0-2.el9.noarch'],
      code: 1,
      stderr: 'error: Failed dependencies:\n\tadware is needed by (installed) other-1-1.noarch\n',
    };
    expect(await play([installed, OWNERS, needed], { binding: row })).toMatchObject({
      state: 'refused',
      code: 'needed',
    });
    const nodejs = { argv: rpmQuery('nodejs'), stdout: 'nodejs\t20.19.1\t1.el9\tx86_64\t1\n' };
    const ofAgent = { name: 'nodejs', version: '20.19.1', release: '1.el9', arch: 'x86_64' };
    expect(await play([nodejs, OWNERS], { binding: ofAgent })).toMatchObject({ state: 'refused', code: 'protected' });
    const two = { argv: rpmQuery('glibc'), stdout: 'glibc\t2.34\t1\tx86_64\t(none)\nglibc\t2.34\t1\ti686\t(none)\n' };
    const glibc = { name: 'glibc', version: '2.34', release: '1', arch: 'x86_64' };
    expect(await play([two], { binding: glibc })).toMatchObject({ state: 'refused', code: 'protected' });
  });

  test('is unsupported without dpkg and rpm', async () => {
    const none = [NO_DPKG, { argv: rpmQuery('adware'), code: 127 }];
    expect(await play(none, { params: { name: 'adware' } })).toMatchObject({ state: 'unsupported' });
  });
});

describe('output of the package managers', () => {
  test('three fields mark a package as essential', () => {
    const text = [
      'a\t1\tall\tinstalled\tyes\t\toptional\tinstall',
      'b\t1\tall\tinstalled\tno\tyes\toptional\tinstall',
      'c\t1\tall\tinstalled\t\t\trequired\tinstall',
    ];
    expect(
      parseDpkgQuery(`${text.join('\n')}\nd\t1\tall\tinstalled\tno\tno\toptional\tinstall\n`).map(
        (one) => one.isEssential,
      ),
    ).toEqual([true, true, true, false]);
  });

  test('a simulation lists removed and installed packages', () => {
    const text =
      'Reading package lists...\nRemv b [1]\nPurg a:amd64 [1.2-3]\nInst c (2 Debian:12 [amd64])\nConf c (2)\n';
    expect(parseSimulation(text)).toEqual([
      { what: 'Remv', name: 'b' },
      { what: 'Purg', name: 'a' },
      { what: 'Inst', name: 'c' },
      { what: 'Conf', name: 'c' },
    ]);
  });
});
