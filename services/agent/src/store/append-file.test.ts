import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AppendFile } from './append-file.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-append-'));
  path = join(folder, 'lines');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('an append file', () => {
  test('a line is read back, an incomplete one is not', () => {
    const file = new AppendFile(path);
    expect(file.read()).toEqual({ lines: [], isTorn: false });
    file.append('two', () => ['one'], { durable: true });
    file.append('three', () => [], { durable: false });
    expect(file.read()).toEqual({ lines: ['one', 'two', 'three'], isTorn: false });
    file.close();
    expect(new AppendFile(path).read().lines).toHaveLength(3);
  });

  test('a full disk: the call throws, and the next one rewrites the whole file', () => {
    // /dev/full refuses every write, as a disk without room does.
    symlinkSync('/dev/full', path);
    const file = new AppendFile(path);
    file.resume();
    expect(() => file.append('lost', () => [], { durable: true })).toThrow('ENOSPC');
    file.append('next', () => ['before'], { durable: true });
    expect(readFileSync(path, 'utf8')).toBe('before\nnext\n');
    file.close();
  });

  test('a missing folder: the call throws until the folder is back', () => {
    const file = new AppendFile(path);
    renameSync(folder, `${folder}.away`);
    expect(() => file.append('a', () => [], { durable: true })).toThrow('ENOENT');
    mkdirSync(folder);
    file.append('a', () => [], { durable: true });
    expect(file.read().lines).toEqual(['a']);
    file.close();
    rmSync(`${folder}.away`, { recursive: true });
  });
});
