import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FailingFolder } from '../../testing/failing-folder.js';
import { HungMount } from '../../testing/hung-mount.js';
import { System } from './system.js';

describe('reading a system', () => {
  let root: string;
  let system: System;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'muster-system-'));
    system = new System(root);
    writeFileSync(join(root, 'a'), ' word \n');
    writeFileSync(join(root, 'empty'), '');
    writeFileSync(join(root, 'large'), 'x'.repeat(200_000));
    mkdirSync(join(root, 'folder'));
    symlinkSync('a', join(root, 'link'));
    execFileSync('/usr/bin/mkfifo', [join(root, 'pipe')]);
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it('reads whole files, trimmed words and heads', () => {
    expect(system.text('/a')).toBe(' word \n');
    expect(system.word('/a')).toBe('word');
    expect(system.text('/empty')).toBe('');
    expect(system.word('/empty')).toBeUndefined();
    expect(system.text('/large')).toHaveLength(200_000);
    expect(system.head('/large', 100_000)).toHaveLength(100_000);
    expect(system.text('/link')).toBe(' word \n');
    expect(system.link('/link')).toBe('a');
  });

  it('returns undefined for missing and non-regular files', () => {
    for (const path of ['/pipe', '/folder', '/nowhere', '/a/b']) expect(system.text(path)).toBeUndefined();
    expect(system.list('/nowhere')).toEqual([]);
    expect(system.stat('/nowhere')).toBeUndefined();
    expect(system.run('/bin/true', [])).toBeUndefined();
  });

  it('returns nothing of a file over the limit, and says so; of one that is not there it says nothing', () => {
    writeFileSync(join(root, 'huge'), '');
    truncateSync(join(root, 'huge'), 64 * 1024 * 1024);
    const warnings: unknown[] = [];
    const warned = new System(root, { warn: (...warning) => warnings.push(warning) });
    expect([warned.text('/huge'), warned.text('/nowhere'), warned.link('/a')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(warned.stat(`/${'n'.repeat(300)}`)).toBeUndefined();
    expect(warnings).toEqual([
      ['too_large', '/huge has 67108864 bytes or more, and is not read'],
      ['too_large', `/${'n'.repeat(300)}: longer than a path may be`],
    ]);
  });

  it('names are bytes: what is not UTF-8 is listed, opened, followed and looked at by its text', () => {
    const raw = (path: string): Buffer => Buffer.from(`${root}${path}`, 'latin1');
    mkdirSync(raw('/d\xfe'));
    writeFileSync(raw('/d\xfe/f\xff'), 'inside');
    symlinkSync(Buffer.from('d\xfe/f\xff', 'latin1'), raw('/l\xff'));
    expect(system.list('/')).toEqual(expect.arrayContaining(['d\ueffe', 'l\uefff']));
    expect(system.list('/d\ueffe')).toEqual(['f\uefff']);
    expect(system.text('/d\ueffe/f\uefff')).toBe('inside');
    expect(system.link('/l\uefff')).toBe('d\ueffe/f\uefff');
    expect(system.realPath('/l\uefff')).toBe('/d\ueffe/f\uefff');
    expect(system.lstat('/d\ueffe')?.isDirectory()).toBe(true);
  });

  (HungMount.missing() === undefined ? describe : describe.skip)('a folder of a broken disk', () => {
    it('tells of a folder that opens, and does not list', async () => {
      const folder = await FailingFolder.mount();
      const warnings: unknown[] = [];
      const names = new System('/', { warn: (...warning) => warnings.push(warning) }).list(folder.path);
      await folder.end();
      expect([names, warnings]).toEqual([[], [['unreadable', `${folder.path}: EIO`]]]);
    });
  });

  it('lists a folder in order', () => {
    expect(system.list('/')).toEqual(expect.arrayContaining(['a', 'empty', 'folder', 'link', 'pipe']));
  });

  it('runs programs of this machine, and tells of each failure; one that is not there is no failure', () => {
    const warnings: unknown[] = [];
    const live = new System('/', { warn: (...warning) => warnings.push(warning) });
    expect(live.run('/bin/echo', ['$HOME', '; x'])).toBe('$HOME ; x\n');
    expect(live.run('/nowhere', [])).toBeUndefined();
    expect(warnings).toEqual([]);
    expect(live.run('/bin/sh', ['-c', 'echo some; echo what >&2; exit 3'])).toBeUndefined();
    expect(live.run('/bin/sh', ['-c', 'echo some; exit 3'], { keepOutput: true })).toBe('some\n');
    expect(live.run('/bin/sh', ['-c', 'kill -9 $$'])).toBeUndefined();
    expect(live.run(join(root, 'a'), [])).toBeUndefined();
    expect(warnings).toEqual([
      ['unreadable', '/bin/sh ended with 3: what'],
      ['unreadable', '/bin/sh ended with 3'],
      ['unreadable', '/bin/sh ended before it had answered'],
      ['unreadable', `${join(root, 'a')}: EACCES`],
    ]);
  });

  it('bytes of a program that are not UTF-8 are as they are in names', () => {
    expect(new System().run('/usr/bin/printf', ['b\\377'])).toBe('b\uefff');
  });
});
