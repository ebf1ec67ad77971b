import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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

  it('throws instead of returning a part of a file', () => {
    writeFileSync(join(root, 'huge'), '');
    truncateSync(join(root, 'huge'), 64 * 1024 * 1024);
    expect(() => system.text('/huge')).toThrow('/huge has 67108864 bytes or more');
  });

  it('lists a folder in order', () => {
    expect(system.list('/')).toEqual(expect.arrayContaining(['a', 'empty', 'folder', 'link', 'pipe']));
  });

  it('runs programs of this machine for a limited time, and returns undefined for any failure', () => {
    const live = new System();
    expect(live.run('/bin/echo', ['$HOME', '; x'])).toBe('$HOME ; x\n');
    expect(live.run('/bin/false', [])).toBeUndefined();
    expect(live.run('/nowhere', [])).toBeUndefined();
  });
});
