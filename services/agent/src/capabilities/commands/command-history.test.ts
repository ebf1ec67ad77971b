import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { CommandId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { CommandHistory } from './command-history.js';
import type { CommandKey, Outcome } from './history-entry.js';

const DAY_MS = 24 * 3_600_000;
const DONE: Outcome = { state: 'succeeded', code: 'ok', message: 'done', effects: ['did it'] };
const key = (id: string, number = 1): CommandKey => ({ id: id as CommandId, number });

let folder: string;
let file: string;
let clock: FakeClock;
const histories: CommandHistory[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-ledger-'));
  file = join(folder, 'commands.log');
  clock = new FakeClock();
});
afterEach(() => {
  for (const history of histories.splice(0)) history.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(): CommandHistory {
  const history = CommandHistory.open({ folder, clock, logger: silentLogger });
  histories.push(history);
  return history;
}
const about = (hours = 1): { action: string; expiresAtMs: number } => ({
  action: 'arp.flush',
  expiresAtMs: clock.now() + hours * 3_600_000,
});

describe('the command history', () => {
  test('is the same after a restart', () => {
    const first = open();
    for (const id of ['c1', 'c2', 'c3']) first.started(key(id), about());
    first.ended(key('c2'), DONE, about());
    first.ended(key('c3'), DONE, about());
    first.kept(key('c3'));
    first.ended(key('c4', 2), { state: 'refused', code: 'bad_params', message: '' }, about());
    const second = open();
    expect(second.unfinished().map(({ id }) => id)).toEqual(['c1']);
    expect(second.unkept().map(({ id, number }) => `${id} ${number}`)).toEqual(['c2 1', 'c4 2']);
    expect(second.get(key('c3'))).toEqual({ ...key('c3'), ...about(), outcome: DONE, kept: true });
    expect(second.get(key('c4'))).toBeUndefined();
  });

  test('an outcome stays the first one', () => {
    const history = open();
    history.started(key('c1'), about());
    history.ended(key('c1'), DONE, about());
    history.ended(key('c1'), { state: 'failed', code: 'x', message: '' }, about());
    history.started(key('c1'), about());
    expect([history.get(key('c1'))?.outcome, open().get(key('c1'))?.outcome]).toEqual([DONE, DONE]);
  });

  test('a line that a crash cut off, at any byte, is ignored; later lines are read', () => {
    const whole = open();
    whole.started(key('c1'), about());
    const before = statSync(file).size;
    whole.ended(key('c1'), DONE, about());
    const bytes = readFileSync(file);
    whole.close();
    for (let cut = before; cut < bytes.length; cut += 1) {
      writeFileSync(file, bytes.subarray(0, cut));
      const torn = open();
      expect(torn.unfinished().map(({ id }) => id)).toEqual(['c1']);
      torn.ended(key('c1'), DONE, about());
      torn.close();
      expect(open().get(key('c1'))?.outcome).toEqual(DONE);
    }
  });

  test('a damaged line costs only that line', () => {
    const history = open();
    history.started(key('c1'), about());
    appendFileSync(file, '{"t":"outcome","id":"c1"}\nrubbish\n');
    history.started(key('c2'), about());
    expect(
      open()
        .unfinished()
        .map(({ id }) => id),
    ).toEqual(['c1', 'c2']);
  });

  test('forgets confirmed commands a day after their expiry, and no others', () => {
    const first = open();
    for (const id of ['kept', 'unkept', 'started']) first.started(key(id), about());
    for (const id of ['kept', 'unkept']) first.ended(key(id), DONE, about());
    first.kept(key('kept'));
    first.cancelledUnseen(key('cancel'), { state: 'cancelled', code: 'cancelled', message: '' });
    clock.advance(DAY_MS + 3_600_000);
    expect(open().size).toBe(4);
    clock.advance(1);
    expect(open().get(key('kept'))).toBeUndefined();
    clock.advance(7 * DAY_MS);
    const last = open();
    expect(last.size).toBe(2);
    // Each of the two, and up to when others were forgotten.
    expect(readFileSync(file, 'utf8').split('\n').filter(Boolean)).toHaveLength(3);
  });

  test('does not grow with commands that are done', () => {
    const history = open();
    for (let i = 0; i < 400; i += 1) {
      clock.advance(2 * DAY_MS);
      history.started(key(`c${i}`), about());
      history.ended(key(`c${i}`), DONE, about());
      history.kept(key(`c${i}`));
    }
    expect(history.size).toBeLessThan(200);
    expect(readFileSync(file, 'utf8').split('\n').length).toBeLessThan(800);
    expect(open().get(key('c399'))?.kept).toBe(true);
  });

  test('keeps at most a thousand cancels of unknown commands', () => {
    const history = open();
    history.started(key('real'), about());
    for (let i = 0; i < 1_010; i += 1) {
      history.cancelledUnseen(key(`c${i}`), { state: 'cancelled', code: 'cancelled', message: '' });
    }
    expect(history.size).toBe(1_001);
    expect(history.get(key('c9'))).toBeUndefined();
    expect(history.get(key('c1009'))).toBeDefined();
    expect(history.get(key('real'))).toBeDefined();
  }, 60_000);

  test('records nothing after it is closed: the folder may belong to another process', () => {
    const history = open();
    history.close();
    expect(() => history.started(key('c2'), about())).toThrow('closed');
    expect([history.get(key('c2')), open().get(key('c2'))]).toEqual([undefined, undefined]);
  });
});
