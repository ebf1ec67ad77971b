import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { QueryDenylist } from './query-denylist.js';

const DAY = 24 * 3_600_000;

let folder: string;
let clock: FakeClock;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-agent-'));
  clock = new FakeClock();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function start(): QueryDenylist {
  const denylist = new QueryDenylist({ folder, clock, logger: silentLogger });
  denylist.load();
  return denylist;
}

describe('query denylist', () => {
  test('one crash refuses nothing; the second within a day refuses for a day, through restarts', () => {
    expect(start().crashed('SELECT 1', 'SIGSEGV')).toMatch(/SIGSEGV.*once more/);
    clock.advance(DAY - 1);
    expect(start().denial('SELECT 1')).toBeUndefined();
    expect(start().crashed('SELECT 1', 'exit code 7')).toMatch(/refused until/);
    const denylist = start();
    expect(denylist.denial('SELECT 1')).toMatch(
      /2 times \(SIGSEGV at 2023-\S+, exit code 7 at 2023-\S+\) and is refused until 2023-/,
    );
    expect(denylist.denial('SELECT 2')).toBeUndefined();
    clock.advance(1);
    expect(denylist.denial('SELECT 1')).toBeUndefined();
  });

  test('crashes more than a day apart refuse nothing', () => {
    const denylist = start();
    for (let n = 0; n < 5; n += 1) {
      expect(denylist.crashed('SELECT 1', 'SIGSEGV')).toMatch(/once more/);
      clock.advance(DAY);
    }
  });

  test('an operator lifts one by the beginning of its hash, or all, for good', () => {
    const denylist = start();
    for (const sql of ['SELECT 1', 'SELECT 2', 'SELECT 1', 'SELECT 2']) denylist.crashed(sql, 'SIGSEGV');
    const id = /query=([0-9a-f]{12})/.exec(denylist.denial('SELECT 1')!)![1]!;
    expect(denylist.matching('ffffffff')).toEqual([]);
    expect(denylist.allow('ffffffff')).toEqual([]);
    expect(denylist.matching(id)).toEqual([id]);
    expect(denylist.allow(id)).toEqual([id]);
    expect(start().denial('SELECT 1')).toBeUndefined();
    expect(start().denial('SELECT 2')).toBeDefined();
    expect(start().allow()).toHaveLength(1);
    expect(start().denial('SELECT 2')).toBeUndefined();
  });

  test('the list is bounded, the oldest go first', () => {
    const denylist = start();
    for (let n = 0; n < 250; n += 1) for (const _ of [1, 2]) denylist.crashed(`SELECT ${n}`, 'SIGSEGV');
    const kept = JSON.parse(readFileSync(join(folder, 'denied.json'), 'utf8')) as unknown[];
    expect(kept).toHaveLength(200);
    expect(denylist.denial('SELECT 0')).toBeUndefined();
    expect(denylist.denial('SELECT 249')).toBeDefined();
  });

  test('damaged files do not keep the agent from starting, and what earlier versions blamed is allowed', () => {
    mkdirSync(join(folder, 'running'), { recursive: true });
    writeFileSync(join(folder, 'running', 'x.json'), '{"id":');
    const hash = createHash('sha256').update('SELECT 1').digest('hex');
    const entries = [{ hash: 1 }, { hash, atMs: clock.now(), why: 'the agent died while it ran' }];
    writeFileSync(join(folder, 'denied.json'), JSON.stringify(entries));
    expect(start().denial('SELECT 1')).toBeUndefined();
    expect(existsSync(join(folder, 'running'))).toBe(false);
  });

  test('a folder that cannot be written does not stop queries', () => {
    const denylist = start();
    rmSync(folder, { recursive: true });
    for (const _ of [1, 2]) expect(() => denylist.crashed('SELECT 1', 'SIGSEGV')).not.toThrow();
    expect(denylist.denial('SELECT 1')).toBeDefined();
    // Allowed now and refused again after a restart would be no answer.
    expect(() => denylist.allow()).toThrow('ENOENT');
  });
});
