import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type CommandId, newCommandId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { AgreedTime } from './agreed-time.js';
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

/** The history after a start. With `gatewayAheadMs` a session has begun, whose gateway's clock is that far ahead. */
function open(gatewayAheadMs?: number): CommandHistory {
  const time = new AgreedTime(clock);
  const history = CommandHistory.open({ folder, time, logger: silentLogger });
  histories.push(history);
  if (gatewayAheadMs === undefined) return history;
  time.heard(clock.now() + gatewayAheadMs);
  history.sessionBegan();
  return history;
}
const about = (hours = 1): { action: string; expiresAtMs: number; signedAtMs: number } => ({
  action: 'arp.flush',
  expiresAtMs: clock.now() + hours * 3_600_000,
  signedAtMs: clock.now(),
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

  test('damage costs what it hit, and what is unknown since may have run, up to the next session', () => {
    const history = open();
    history.started(key('c1'), about());
    appendFileSync(file, '{"t":"outcome","id":"c1"}\nrubbish\n');
    history.started(key('c2'), about());
    const damaged = open();
    expect(damaged.unfinished().map(({ id }) => id)).toEqual(['c1', 'c2']);
    expect(damaged.lostUpToMs).toBe(Number.POSITIVE_INFINITY);
    // Also when the agent is killed before it has a session.
    clock.advance(60_000);
    const sessionMs = clock.now();
    expect(open(0).lostUpToMs).toBe(sessionMs);
    clock.advance(3_600_000);
    expect(open(0).lostUpToMs).toBe(sessionMs);
  });

  test('what may have run is what was signed up to the session, by the clock of the gateway', () => {
    const spoil = (): void => rmSync(file);
    open().started(key('c1'), about());
    expect(open(0).lostUpToMs).toBe(0);
    spoil();
    // This machine's clock is behind after a power cut.
    expect(open(DAY_MS).lostUpToMs).toBe(clock.now() + DAY_MS);
    open(0).started(key('c2'), about());
    spoil();
    // A clock that is ahead does not shut the endpoint.
    clock.advance(400 * DAY_MS);
    expect(open(-400 * DAY_MS).lostUpToMs).toBe(clock.now() - 400 * DAY_MS);
  });

  test('a gateway whose clock is wrong shuts the endpoint for no longer than a command lives', () => {
    open().started(key('c1'), about());
    rmSync(file);
    expect(open(1_000 * DAY_MS).lostUpToMs).toBe(clock.now() + 7 * DAY_MS);
  });

  test('without a session nothing is forgotten; with one, when all that was signed no later has expired, for both clocks', () => {
    const first = open();
    for (const id of ['kept', 'unkept', 'started']) first.started(key(id), about());
    for (const id of ['kept', 'unkept']) first.ended(key(id), DONE, about());
    first.kept(key('kept'));
    first.cancelledUnseen(
      { id: newCommandId(clock.now()), number: 1 },
      { state: 'cancelled', code: 'cancelled', message: '' },
    );
    const signedMs = clock.now();
    clock.advance(8 * DAY_MS);
    expect([open(0).size, open().size]).toEqual([4, 4]);
    clock.advance(1);
    expect(open().size).toBe(4);
    expect(open(-1).size).toBe(4);
    expect(open(0).size).toBe(2);
    const last = open(0);
    expect([last.size, last.get(key('kept')), last.forgottenUpToMs]).toEqual([2, undefined, signedMs]);
  });

  test('a clock that jumps ahead makes it forget nothing', () => {
    const first = open(0);
    first.started(key('c1'), about(7 * 24));
    first.ended(key('c1'), DONE, about(7 * 24));
    first.kept(key('c1'));
    clock.advance(365 * DAY_MS);
    const later = open(-365 * DAY_MS);
    expect([later.size, later.forgottenUpToMs]).toEqual([1, 0]);
  });

  test('does not grow with commands that are done', () => {
    const history = open(0);
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

  test('of an earlier version is read', () => {
    const expMs = clock.now() + 3_600_000;
    const lines = [
      { t: 'forgotten', exp: clock.now() - DAY_MS },
      { t: 'started', id: 'c1', number: 1, exp: expMs, action: 'arp.flush' },
      { t: 'outcome', id: 'c2', number: 1, exp: expMs, action: 'arp.flush', ...DONE },
      { t: 'kept', id: 'c2', number: 1 },
    ];
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    for (const history of [open(), open(0)]) {
      expect(history.unfinished().map(({ id }) => id)).toEqual(['c1']);
      expect(history.get(key('c2'))).toMatchObject({ outcome: DONE, kept: true });
      expect([history.lostUpToMs, history.forgottenUpToMs]).toEqual([0, clock.now() - DAY_MS]);
    }
    clock.advance(8 * DAY_MS + 3_600_001);
    expect([open(0).size, open(0).forgottenUpToMs]).toEqual([1, expMs]);
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
  });

  test('records nothing after it is closed: the folder may belong to another process', () => {
    const history = open();
    history.close();
    expect(() => history.started(key('c2'), about())).toThrow('closed');
    expect([history.get(key('c2')), open().get(key('c2'))]).toEqual([undefined, undefined]);
  });
});
