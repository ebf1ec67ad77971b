import {
  appendFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { SmallDisk } from '@muster/runtime/testing';
import { CheckedLog, type LogContent } from './checked-log.js';
import { lineOf, readLine } from './log-line.js';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-log-'));
  path = join(folder, 'some.log');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const DURABLE = { durable: true };
const named = (name: string): object => ({ t: 'x', name });

/** The names of the entries, and what is damaged. */
function read(at = path): { readonly names: unknown[]; readonly damage: readonly string[] } {
  const file = new CheckedLog(at);
  const { entries, damage } = file.read();
  file.close();
  return { names: entries.map(({ name }) => name), damage };
}

/** A log of the entries a, b, c, d, ... */
function written(names = 'abcdef'): CheckedLog {
  const file = new CheckedLog(path);
  file.read();
  for (const name of names) file.append(named(name), () => [], DURABLE);
  return file;
}

describe('a checked log', () => {
  test('of a newer format is refused, and left as it is', () => {
    const file = written('ab');
    file.rewrite([named('b')]);
    file.close();
    const [first = '', ...others] = readFileSync(path, 'utf8').split('\n');
    const { n, entry } = readLine(first) ?? { n: 0, entry: {} };
    const newer = [lineOf({ ...entry, v: 2 }, n), ...others].join('\n');
    writeFileSync(path, newer);
    expect(() => new CheckedLog(path).read()).toThrow(/some\.log has format 2, and this version knows 1/);
    expect(readFileSync(path, 'utf8')).toBe(newer);
    // A version before formats said nothing.
    const { v: _, n: __, ...before } = entry;
    writeFileSync(path, [lineOf(before, n), ...others].join('\n'));
    expect(read()).toEqual({ names: ['b'], damage: [] });
  });

  test('is read back, also after it was rewritten and continued', () => {
    const file = written('ab');
    file.rewrite([named('b')]);
    file.append(named('c'), () => [], { durable: false });
    file.close();
    expect(read()).toEqual({ names: ['b', 'c'], damage: [] });
    const next = new CheckedLog(path);
    next.read();
    next.append(named('d'), () => [], DURABLE);
    next.close();
    expect(read()).toEqual({ names: ['b', 'c', 'd'], damage: [] });
  });

  test('of an earlier version is read, and is whole when it was rewritten', () => {
    writeFileSync(path, '{"t":"x","name":"a"}\n{"t":"x","name":"b"}\n');
    const file = new CheckedLog(path);
    expect(file.read()).toMatchObject({ damage: [], isWhole: false });
    file.append(named('c'), () => [named('a'), named('b')], DURABLE);
    file.close();
    expect(read()).toEqual({ names: ['a', 'b', 'c'], damage: [] });
    writeFileSync(path, '{"t":"x","name":"a"}\nrubbish\n');
    rmSync(join(folder, 'some.head'));
    expect(read()).toEqual({ names: ['a'], damage: ['1 lines that cannot be read'] });
  });

  test('a crash of the program while it writes is no damage: at any byte of the last line, and between log and head', () => {
    const file = written('ab');
    const before = { size: statSync(path).size, head: readFileSync(join(folder, 'some.head')) };
    file.append(named('c'), () => [], DURABLE);
    file.close();
    const bytes = readFileSync(path);
    writeFileSync(join(folder, 'some.head'), before.head);
    expect(read()).toEqual({ names: ['a', 'b', 'c'], damage: [] });
    for (let cut = before.size; cut < bytes.length; cut += 1) {
      writeFileSync(join(folder, 'some.head'), before.head);
      writeFileSync(path, bytes.subarray(0, cut));
      expect(read()).toEqual({ names: ['a', 'b'], damage: [] });
    }
  });

  test('a crash between the rewrite of the log and that of its head is no damage', () => {
    const file = written('ab');
    const head = readFileSync(join(folder, 'some.head'));
    file.rewrite([named('a'), named('b')]);
    file.close();
    writeFileSync(join(folder, 'some.head'), head);
    expect(read()).toEqual({ names: ['a', 'b'], damage: [] });
  });

  /** The lines of the file, each with its line feed; the first is the file's own. */
  const lines = (): string[] => readFileSync(path, 'utf8').split(/(?<=\n)/);
  const damages: readonly (readonly [string, () => void, RegExp])[] = [
    ['no file', () => rmSync(path), /the file is gone/],
    ['an empty file', () => truncateSync(path), /7 lines are missing at its end/],
    ['lines missing at the end', () => writeFileSync(path, lines().slice(0, 5).join('')), /2 lines are missing/],
    ['a line missing in between', () => writeFileSync(path, lines().toSpliced(3, 1).join('')), /1 gaps/],
    [
      'lines missing at the beginning',
      () => writeFileSync(path, lines().slice(3).join('')),
      /its beginning is missing/,
    ],
    ['another value in a line', () => writeFileSync(path, lines().join('').replace('"b"', '"B"')), /1 lines that/],
    ['a torn block', () => writeFileSync(path, torn(readFileSync(path), 100, 80, 0x55)), /lines that are not/],
    ['zeros in between', () => writeFileSync(path, torn(readFileSync(path), 100, 80, 0)), /lines that are not/],
    ['zeros for the last lines', () => writeFileSync(path, torn(readFileSync(path), -90, 90, 0)), /zeros at its end/],
    ['zeros behind the last line', () => appendFileSync(path, Buffer.alloc(100)), /zeros at its end/],
    ['rubbish behind the last line', () => appendFileSync(path, 'rubbish\n'), /1 lines that are not/],
    ['no head', () => rmSync(join(folder, 'some.head')), /says how far it goes is gone/],
    ['a head of zeros', () => writeFileSync(join(folder, 'some.head'), Buffer.alloc(64)), /cannot be read/],
  ];

  test.each(damages)('%s is noticed, once', (_what, damage, expected) => {
    written().close();
    damage();
    const file = new CheckedLog(path);
    const content: LogContent = file.read();
    expect(content.damage.join('; ')).toMatch(expected);
    expect(content.isWhole).toBe(false);
    file.append(named('z'), () => content.entries, DURABLE);
    file.close();
    expect(read()).toEqual({ names: [...content.entries.map(({ name }) => name), 'z'], damage: [] });
  });

  test('an older copy that was put back, of the file alone or of the whole folder, is noticed', () => {
    const file = written('abc');
    cpSync(folder, `${folder}.old`, { recursive: true });
    file.append(named('d'), () => [], DURABLE);
    file.close();
    writeFileSync(path, readFileSync(join(`${folder}.old`, 'some.log')));
    expect(read()).toEqual({ names: ['a', 'b', 'c'], damage: ['1 lines are missing at its end'] });
    expect(read(join(`${folder}.old`, 'some.log'))).toEqual({
      names: ['a', 'b', 'c'],
      damage: ['it is a copy, which may be older'],
    });
    rmSync(`${folder}.old`, { recursive: true });
  });

  test('a file that is removed or replaced while it is open is written whole again', () => {
    const file = written('ab');
    rmSync(path);
    file.append(named('c'), () => [named('a'), named('b')], DURABLE);
    writeFileSync(`${path}.other`, '');
    renameSync(`${path}.other`, path);
    file.append(named('d'), () => [named('a'), named('b'), named('c')], DURABLE);
    file.close();
    expect(read()).toEqual({ names: ['a', 'b', 'c', 'd'], damage: [] });
  });

  test('a device that takes nothing: the call throws, and the next one rewrites the whole file', () => {
    const file = written('a');
    rmSync(path);
    // /dev/full refuses every write, as a disk without room does.
    symlinkSync('/dev/full', path);
    expect(() => file.append(named('lost'), () => [named('a')], DURABLE)).not.toThrow();
    file.close();
    expect(read()).toEqual({ names: ['a', 'lost'], damage: [] });
  });

  test('a full disk: the call throws, a log that is open is not damaged, and goes on where it was when there is room', () => {
    const missing = SmallDisk.missing();
    if (missing !== undefined) return void process.stderr.write(`skipped: ${missing}\n`);
    const disk = SmallDisk.mount(128 * 1024);
    try {
      path = join(disk.path, 'some.log');
      const file = written('ab');
      const text = 'x'.repeat(5_000);
      disk.fill();
      for (let i = 0; i < 3; i += 1) expect(() => file.append(named(text), () => [], DURABLE)).toThrow('ENOSPC');
      expect(() => file.rewrite([named(text)])).toThrow('ENOSPC');
      const other = new CheckedLog(path);
      expect(other.read()).toMatchObject({ damage: [], isWhole: true });
      other.close();
      disk.free();
      file.append(named('c'), () => [], DURABLE);
      file.close();
      expect(read()).toEqual({ names: ['a', 'b', 'c'], damage: [] });
    } finally {
      disk.end();
    }
  });

  test('a missing folder: the call throws until the folder is back', () => {
    const file = new CheckedLog(path);
    file.read();
    renameSync(folder, `${folder}.away`);
    expect(() => file.append(named('a'), () => [], DURABLE)).toThrow('ENOENT');
    mkdirSync(folder);
    file.append(named('a'), () => [], DURABLE);
    file.close();
    expect(read()).toEqual({ names: ['a'], damage: [] });
    rmSync(`${folder}.away`, { recursive: true });
  });
});

/** `length` bytes from `at` on are `value`; a negative `at` counts from the end. */
function torn(bytes: Buffer, at: number, length: number, value: number): Buffer {
  const from = at < 0 ? bytes.length + at : at;
  return Buffer.concat([bytes.subarray(0, from), Buffer.alloc(length, value), bytes.subarray(from + length)]);
}
