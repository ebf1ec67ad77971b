import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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

function start(): { denylist: QueryDenylist; suspects: string[] } {
  const denylist = new QueryDenylist({ folder, clock, logger: silentLogger });
  return { suspects: denylist.load(), denylist };
}

describe('query denylist', () => {
  test('a query that ended well leaves nothing', () => {
    start().denylist.begin('q1', 'SELECT 1').end();
    const { denylist, suspects } = start();
    expect(suspects).toEqual([]);
    expect(denylist.denial('SELECT 1')).toBeUndefined();
  });

  test('one that did not is refused for a day, through restarts, and then allowed again', () => {
    start().denylist.begin('q1', 'SELECT 1');
    expect(start().suspects).toEqual(['q1']);
    const { denylist, suspects } = start();
    expect(suspects).toEqual([]);
    expect(denylist.denial('SELECT 1')).toMatch(/the agent died while it ran at 2023-/);
    expect(denylist.denial('SELECT 2')).toBeUndefined();
    clock.advance(DAY - 1);
    expect(denylist.denial('SELECT 1')).toBeDefined();
    clock.advance(1);
    expect(denylist.denial('SELECT 1')).toBeUndefined();
  });

  test('the list is bounded, the oldest go first', () => {
    const { denylist } = start();
    for (let n = 0; n < 250; n += 1) denylist.crashed(`SELECT ${n}`);
    const kept = JSON.parse(readFileSync(join(folder, 'denied.json'), 'utf8')) as unknown[];
    expect(kept).toHaveLength(200);
    expect(denylist.denial('SELECT 0')).toBeUndefined();
    expect(denylist.denial('SELECT 249')).toBeDefined();
  });

  test('damaged files do not keep the agent from starting', () => {
    mkdirSync(join(folder, 'running'), { recursive: true });
    writeFileSync(join(folder, 'running', 'x.json'), '{"id":');
    writeFileSync(join(folder, 'running', '.left-over.tmp'), 'x');
    writeFileSync(join(folder, 'denied.json'), '[{"hash":1}]');
    expect(start().suspects).toEqual([]);
    expect(readdirSync(join(folder, 'running'))).toEqual([]);
  });

  test('a folder that cannot be written does not stop queries', () => {
    const { denylist } = start();
    rmSync(folder, { recursive: true });
    expect(() => denylist.begin('q1', 'SELECT 1').end()).not.toThrow();
    expect(() => denylist.crashed('SELECT 1')).not.toThrow();
    expect(denylist.denial('SELECT 1')).toBeDefined();
  });
});
