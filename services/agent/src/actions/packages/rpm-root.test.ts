import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseRpmFiles, RPM_FILES_FORMAT } from '../../tables/linux/parse/rpm-files.js';
import { parseRpmQuery, RPM_QUERY_FORMAT } from '../../tables/linux/parse/rpm.js';
import type { ActionResult, RunOptions } from '../contract/action.js';
import { runProgram } from '../contract/run-program.js';
import { runAction, testHost, type TestCallOptions } from '../testing/action-harness.js';

const SPEC = `Name: %{mt_name}
Version: %{mt_version}
Release: 2.el9
Summary: test
License: MIT
BuildArch: noarch
Vendor: Ünï: Vendor
%{?mt_more}
%description
test
%install
mkdir -p %{buildroot}/opt/%{mt_name}-%{mt_version}
printf 'content\\n' > "%{buildroot}/opt/%{mt_name}-%{mt_version}/a file"
chmod 4751 "%{buildroot}/opt/%{mt_name}-%{mt_version}/a file"
ln -s target %{buildroot}/opt/%{mt_name}-%{mt_version}/link
%{?mt_script}
%files
/opt/%{mt_name}-%{mt_version}
`;

const NOT_INSTALLED = { code: 127, stdout: '', stderr: '' };

const hasRpm = existsSync('/usr/bin/rpmbuild') && process.getuid?.() === 0;

/** rpm with a database and a root of its own: real packages are built, installed and removed there. */
(hasRpm ? describe : describe.skip)('rpm', () => {
  let folder: string;
  let root: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-rpm-'));
    root = join(folder, 'root');
    mkdirSync(join(root, 'var/lib/rpm'), { recursive: true });
    install('mt-base', '1.0');
    install('mt-user', '1.0', { more: 'Requires: mt-base\nEpoch: 3\nURL: https://example.net/' });
    install('mt-twice', '1.0');
    install('mt-twice', '2.0');
    install('mt-stubborn', '1.0', { script: '%preun -p <lua>\nerror("no")\n' });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const rpm = (...args: string[]): string =>
    execFileSync('/usr/bin/rpm', ['--root', root, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

  function install(name: string, version: string, { more = '', script = '' } = {}): void {
    const top = join(folder, `${name}-${version}`);
    mkdirSync(top);
    const spec = SPEC.replace('%{?mt_more}', more).replace('%{?mt_script}', script);
    writeFileSync(join(top, 'a.spec'), spec.replaceAll('%{mt_name}', name).replaceAll('%{mt_version}', version));
    execFileSync('/usr/bin/rpmbuild', ['-bb', '--define', `_topdir ${top}`, join(top, 'a.spec')], { stdio: 'pipe' });
    const [built = ''] = readdirSync(join(top, 'RPMS/noarch'));
    rpm('--install', join(top, 'RPMS/noarch', built));
  }

  /** The agent's runner on a machine without dpkg, with rpm sent into the root of its own. */
  const host = () =>
    testHost({
      dataDir: folder,
      run: (file, args, options) =>
        file === 'rpm' ? runProgram(file, ['--root', root, ...args], options) : Promise.resolve(NOT_INSTALLED),
    });
  const remove = (call: TestCallOptions): Promise<ActionResult> => runAction(host(), 'package.remove', call);
  const row = (name: string, version = '1.0') => ({ name, version, release: '2.el9', arch: 'noarch' });
  const isInstalled = (spec: string): boolean => rpm('-qa').split('\n').includes(spec);

  test('its packages are rows, with what they have and without what they do not', () => {
    const rows = parseRpmQuery(rpm('-qa', '--queryformat', RPM_QUERY_FORMAT));
    const told = new Set(rows.map(({ name, version, epoch }) => [name, version, epoch]));
    expect(told).toEqual(
      new Set([
        ['mt-base', '1.0', undefined],
        ['mt-stubborn', '1.0', undefined],
        ['mt-twice', '1.0', undefined],
        ['mt-twice', '2.0', undefined],
        ['mt-user', '1.0', 3],
      ]),
    );
    const common = { release: '2.el9', arch: 'noarch', vendor: 'Ünï: Vendor', package_group: 'Unspecified' };
    for (const one of rows) {
      expect(one).toMatchObject({
        ...common,
        source: `${String(one['name'])}-${String(one['version'])}-2.el9.src.rpm`,
      });
      expect(one['sha1']).toMatch(/^[0-9a-f]{40}$/);
      expect(Math.abs(Number(one['install_time']) - Date.now() / 1_000)).toBeLessThan(600);
    }
  });

  test('its files are rows, as they are on disk', () => {
    const rows = [...parseRpmFiles(rpm('-q', '--queryformat', RPM_FILES_FORMAT, '--', 'mt-base'))];
    const path = '/opt/mt-base-1.0/a file';
    const sha256 = createHash('sha256')
      .update(readFileSync(join(root, path)))
      .digest('hex');
    const owner = { package: 'mt-base', username: 'root', groupname: 'root' };
    expect(rows).toEqual([
      expect.objectContaining({ ...owner, path: '/opt/mt-base-1.0', mode: '0755', sha256: '' }),
      { ...owner, path, mode: '4751', size: 8, sha256 },
      expect.objectContaining({ ...owner, path: '/opt/mt-base-1.0/link', sha256: '' }),
    ]);
  });

  test('what others need, what is there twice, and what has changed is not removed', async () => {
    expect(await remove({ binding: row('mt-base') })).toMatchObject({ state: 'refused', code: 'needed' });
    expect(await remove({ params: { name: 'mt-base' }, dryRun: true })).toMatchObject({
      state: 'refused',
      code: 'needed',
    });
    expect(await remove({ params: { name: 'mt-twice' } })).toMatchObject({ state: 'refused', code: 'ambiguous' });
    expect(await remove({ binding: row('mt-base', '9') })).toMatchObject({ state: 'refused', code: 'changed' });
    expect(await remove({ params: { name: 'mt-nothing' } })).toMatchObject({ state: 'succeeded' });
    expect(rpm('-qa').trim().split('\n')).toHaveLength(5);
  });

  test('a package whose script refuses stays, and the action says so', async () => {
    const result = await remove({ binding: row('mt-stubborn') });
    expect(result.state).toBe('failed');
    expect(isInstalled('mt-stubborn-1.0-2.el9.noarch')).toBe(true);
  });

  test('one of two versions is removed alone, with its files', async () => {
    expect(await remove({ binding: row('mt-twice', '2.0'), dryRun: true })).toMatchObject({ state: 'succeeded' });
    expect(isInstalled('mt-twice-2.0-2.el9.noarch')).toBe(true);
    expect(await remove({ binding: row('mt-twice', '2.0') })).toMatchObject({ state: 'succeeded' });
    expect([isInstalled('mt-twice-2.0-2.el9.noarch'), isInstalled('mt-twice-1.0-2.el9.noarch')]).toEqual([false, true]);
    expect([existsSync(join(root, 'opt/mt-twice-2.0')), existsSync(join(root, 'opt/mt-twice-1.0'))]).toEqual([
      false,
      true,
    ]);
  });

  /** Replaces the database by one that cannot be read, for as long as `work` takes. */
  async function broken<T>(work: () => Promise<T>): Promise<T> {
    const dbpath = join(root, execFileSync('/usr/bin/rpm', ['--eval', '%_dbpath'], { encoding: 'utf8' }).trim());
    renameSync(dbpath, `${dbpath}.kept`);
    writeFileSync(dbpath, 'no database');
    try {
      return await work();
    } finally {
      rmSync(dbpath);
      renameSync(`${dbpath}.kept`, dbpath);
    }
  }

  test('of a broken database nothing is told: no package is not installed, and none is removed', async () => {
    const fault = { state: 'failed', code: 'program_failed', message: expect.stringMatching(/cannot open Packages/) };
    await broken(async () => {
      for (const call of [{ params: { name: 'mt-nothing' } }, { binding: row('mt-base') }])
        expect(await remove(call)).toMatchObject(fault);
    });
    expect(await remove({ params: { name: 'mt-nothing' } })).toMatchObject({ code: 'unchanged' });
  });

  test.each([
    ['whose it is that the agent runs from', '-f', { state: 'failed', code: 'program_failed' }, true],
    ['what is left', 'mt-seen-1.0-2.el9.noarch', { state: 'failed', code: 'not_seen' }, false],
  ])('a database that breaks before rpm is asked %s lets nothing pass', async (_, asked, result, isLeft) => {
    if (!isInstalled('mt-seen-1.0-2.el9.noarch')) install('mt-seen', '1.0');
    const breaking = {
      ...host(),
      run: (file: string, args: readonly string[], options: RunOptions) => {
        const work = () => host().run(file, args, options);
        return args[0] === '-q' && args.includes(asked) ? broken(work) : work();
      },
    };
    expect(await runAction(breaking, 'package.remove', { binding: row('mt-seen') })).toMatchObject(result);
    expect(isInstalled('mt-seen-1.0-2.el9.noarch')).toBe(isLeft);
  });

  test('a package with an epoch is removed by its row, and then what it needed', async () => {
    expect(await remove({ binding: { ...row('mt-user'), epoch: 3 } })).toMatchObject({ state: 'succeeded' });
    expect(await remove({ binding: row('mt-base') })).toMatchObject({ state: 'succeeded' });
    expect(isInstalled('mt-base-1.0-2.el9.noarch')).toBe(false);
  });
});
