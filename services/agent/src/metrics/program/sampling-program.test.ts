import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { type ProgramCommand, SamplingProgram } from './sampling-program.js';

const STAND_IN = join(import.meta.dirname, '../../testing/fixture-sampler.js');
const PATIENCE_MS = 20_000;

let folder: string;
let clock: FakeClock;
let program: SamplingProgram;
let random: number;

function open(command: Partial<ProgramCommand> = {}): SamplingProgram {
  const standIn = { file: process.execPath, args: [STAND_IN, folder], env: {} };
  return new SamplingProgram({ command: { ...standIn, ...command }, clock, random: () => random });
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-sampler-'));
  clock = new FakeClock();
  random = 0;
  program = open();
});
afterEach(() => {
  program.close();
  rmSync(folder, { recursive: true, force: true });
});

const does = (ask: string, text: string): void => writeFileSync(join(folder, ask), text);
const ask = (name: string, args = ''): Promise<string | undefined> =>
  program.ask({ ask: name, args, parse: (text) => text });
const asked = (): string[] => readFileSync(join(folder, 'asked'), 'utf8').trimEnd().split('\n');
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return !/^State:\sZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
};

test('one process answers all requests, one after the other', async () => {
  does('standard', '{"a":1}\n');
  does('users', '{"b":2}\n');
  const answers = await Promise.all([ask('standard'), ask('users', '4 5'), ask('standard')]);
  expect(answers).toEqual(['{"a":1}\n', '{"b":2}\n', '{"a":1}\n']);
  expect(asked()).toEqual(['standard', 'users 4 5', 'standard']);
  const pid = program.pid;
  await ask('standard');
  expect(program.pid).toBe(pid);
  expect(program.isBusy).toBe(false);
  expect(clock.pendingTimers).toBe(0);
});

test('an answer comes in pieces, and ends where the token stands alone in a line', async () => {
  does('standard', '!pieces');
  expect(await ask('standard')).toBe('{}\r\n');
  does('standard', 'xTOKEN\nTOKEN x\n');
  expect(await ask('standard')).toMatch(/^x[0-9a-f]{24}\n[0-9a-f]{24} x\n$/);
  does('standard', '');
  expect(await ask('standard')).toBe('');
  does('standard', '!half');
  const answer = ask('standard');
  await eventually(() => asked().length === 4);
  does('go', '');
  expect(await answer).toMatch(/^x[0-9a-f]{24}\n\{\}\n$/);
});

test('a program that dies is started again after a pause that grows, until it has lived for long', async () => {
  random = 0.999;
  does('works', 'x\n');
  const pauseAfter = async (name: string): Promise<number> => {
    does(name, '!die');
    expect(await ask(name)).toBeUndefined();
    const fromMs = clock.monotonic();
    while ((await ask('works')) === undefined) clock.advance(1_000);
    return (clock.monotonic() - fromMs) / 1_000;
  };
  expect(await pauseAfter('a')).toBe(15);
  expect(await pauseAfter('b')).toBe(25);
  expect(await pauseAfter('c')).toBe(45);
  clock.advance(600_001);
  expect(await pauseAfter('d')).toBe(15);
});

test('one that hangs is killed together with its tools; that question is given up for longer than the others', async () => {
  does('detailed', '!hang');
  does('standard', 'x\n');
  const answer = ask('detailed');
  const waiting = ask('standard');
  const tool = Number(
    await eventually(() => existsSync(join(folder, 'tool')) && readFileSync(join(folder, 'tool'), 'utf8')),
  );
  const pid = program.pid!;
  clock.advance(PATIENCE_MS);
  expect(await answer).toBeUndefined();
  expect(await waiting).toBeUndefined();
  await eventually(() => !isAlive(pid) && !isAlive(tool));
  clock.advance(5_000);
  does('detailed', 'y\n');
  expect(await ask('standard')).toBe('x\n');
  expect(await ask('detailed')).toBeUndefined();
  clock.advance(30_000);
  expect(await ask('detailed')).toBe('y\n');
});

test.each(['!huge', '!die'])('%s: there is no answer, and the program is gone', async (text) => {
  does('standard', text);
  const answer = ask('standard');
  const pid = await eventually(() => program.pid);
  expect(await answer).toBeUndefined();
  await eventually(() => !isAlive(pid));
  expect(program.pid).toBeUndefined();
});

test('one that speaks unasked is killed', async () => {
  does('standard', '!unasked');
  expect(await ask('standard')).toBe('{}\n');
  const pid = program.pid!;
  expect(isAlive(pid)).toBe(true);
  does('go', '');
  await eventually(() => !isAlive(pid));
  expect(program.pid).toBeUndefined();
});

test('an answer of no use is as none', async () => {
  does('standard', 'x\n');
  const fails = (): never => {
    throw new Error('odd');
  };
  expect(await program.ask({ ask: 'standard', parse: fails })).toBeUndefined();
  expect(program.pid).toBeUndefined();
  expect(await ask('standard')).toBeUndefined();
  clock.advance(30_000);
  expect(await ask('standard')).toBe('x\n');
});

test('a program that is not there gives no answers', async () => {
  program.close();
  program = open({ file: join(folder, 'missing') });
  expect(await ask('standard')).toBeUndefined();
  expect(await ask('standard')).toBeUndefined();
});

test('it ends with the reader, also in the middle of a request', async () => {
  does('standard', '!hang');
  const answer = ask('standard');
  await eventually(() => existsSync(join(folder, 'tool')));
  const pid = program.pid!;
  program.close();
  expect(await answer).toBeUndefined();
  await eventually(() => !isAlive(pid));
  expect(await ask('standard')).toBeUndefined();
});
