import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { sleep, systemClock } from '@muster/runtime/program';
import { createActions } from '../create-actions.js';
import { testCall, testHost } from '../testing/action-harness.js';
import { hasName, isAlive, type ProcessView, viewProcess } from './process-view.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('process.kill on this machine', () => {
  let folder: string;
  let program: string;
  const children: ChildProcess[] = [];
  const host = testHost();
  const actions = createActions(host);
  const kill = (options: Parameters<typeof testCall>[2]) => actions.run(testCall(host, 'process.kill', options));

  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'muster-kill-')));
    program = join(folder, 'abc.exe');
    copyFileSync('/bin/sleep', program);
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Resolves when the process runs the expected program. */
  async function start(file = program, args: readonly string[] = ['1000'], becomes = file): Promise<ProcessView> {
    const child = spawn(file, args, { stdio: 'ignore' });
    children.push(child);
    await once(child, 'spawn');
    for (;;) {
      const view = viewProcess(child.pid!);
      if (view?.path === realpathSync(becomes)) return view;
      await sleep(systemClock, 5);
    }
  }

  test('a bound process is ended, and has exited when the action succeeds', async () => {
    const view = await start();
    const { pid, startTime, path } = view;
    expect(path).toBe(program);
    const result = await kill({ binding: { pid, start_time: startTime, path } });
    expect(result).toMatchObject({ state: 'succeeded', effects: [`ended abc.exe (${pid}), ${path}, by KILL`] });
    expect(isAlive(view)).toBe(false);
  });

  test('a program that is named as if it were gone is bound by the path that its row has', async () => {
    const named = join(folder, 'named (deleted)');
    copyFileSync('/bin/sleep', named);
    const { pid, startTime, path } = await start(named);
    expect(path).toBe(named);
    const stripped = { pid, start_time: startTime, path: join(folder, 'named') };
    expect(await kill({ binding: stripped })).toMatchObject({ state: 'refused', code: 'changed' });
    expect(await kill({ binding: { pid, start_time: startTime, path } })).toMatchObject({ state: 'succeeded' });
  });

  test.each([
    ['another start time', { start_time: -1 }, /another process by now/],
    ['another path', { path: '/bin/other' }, /not \/bin\/other/],
    ['a path that is the beginning of its own', { path: '/tmp/muster' }, /not \/tmp\/muster/],
  ])('a row with %s is refused, and the process lives', async (_what, changed, message) => {
    const view = await start();
    const row = { pid: view.pid, start_time: view.startTime, path: view.path };
    const start_time = 'start_time' in changed ? view.startTime + changed.start_time! : row.start_time;
    const result = await kill({ binding: { ...row, ...changed, start_time } });
    expect(result).toMatchObject({ state: 'refused', code: 'changed', message: expect.stringMatching(message) });
    expect(isAlive(view)).toBe(true);
  });

  test('a pid in parameters is compared in the same way', async () => {
    const view = await start();
    const params = { pid: view.pid, start_time: view.startTime + 1 };
    expect(await kill({ params })).toMatchObject({ state: 'refused', code: 'changed' });
    expect(await kill({ params: { pid: view.pid } })).toMatchObject({ state: 'succeeded', code: 'ok' });
    expect(await kill({ params: { pid: view.pid } })).toMatchObject({ state: 'succeeded', code: 'unchanged' });
  });

  test('a name ends all processes with exactly this name', async () => {
    const same = [await start(), await start()];
    copyFileSync('/bin/sleep', join(folder, 'abc.exe2'));
    const other = await start(join(folder, 'abc.exe2'));
    const result = await kill({ params: { name: 'abc.exe', path: program } });
    expect(result).toMatchObject({ state: 'succeeded', message: '2 processes ended' });
    expect(result.effects?.length).toBe(2);
    expect([...same.map(isAlive), isAlive(other)]).toEqual([false, false, true]);
  });

  test("names longer than the kernel's limit are compared completely", async () => {
    const [long, longer] = [join(folder, 'averylongprogram'), join(folder, 'averylongprogramme')];
    for (const file of [long, longer]) copyFileSync('/bin/sleep', file);
    const [one, other] = [await start(long), await start(longer)];
    expect(one.name).toBe(other.name);
    expect(await kill({ params: { name: 'averylongprogra' } })).toMatchObject({ code: 'unchanged' });
    expect(await kill({ params: { name: 'averylongprogram' } })).toMatchObject({ message: '1 process ended' });
    expect([isAlive(one), isAlive(other)]).toEqual([false, true]);
  });

  test('a dry run reports what it would do and changes nothing', async () => {
    const view = await start();
    const result = await kill({ params: { pid: view.pid }, dryRun: true });
    expect(result).toMatchObject({
      state: 'succeeded',
      code: 'dry_run',
      effects: [`would send KILL to abc.exe (${view.pid}), ${program}`],
    });
    const byName = await kill({ params: { name: 'abc.exe', path: program, signal: 'TERM' }, dryRun: true });
    expect(byName.effects).toEqual([`would send TERM to abc.exe (${view.pid}), ${program}`]);
    expect(isAlive(view)).toBe(true);
  });

  test('TERM lets a process exit by itself, and a process that ignores it is reported', async () => {
    const view = await start();
    expect(await kill({ params: { pid: view.pid, signal: 'TERM' } })).toMatchObject({ state: 'succeeded' });
    // An ignored signal stays ignored after exec.
    const stubborn = await start('/bin/sh', ['-c', 'trap "" TERM; exec sleep 1000'], '/bin/sleep');
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    const result = await kill({ params: { pid: stubborn.pid, signal: 'TERM' }, signal: abort.signal });
    expect(result.state).toBe('cancelled');
    expect(result.effects?.[0]).toMatch(/still runs/);
    expect(isAlive(stubborn)).toBe(true);
  });

  test('init, the agent, its ancestors and kernel threads are refused', async () => {
    expect(await kill({ params: { pid: 1 } })).toMatchObject({ state: 'refused', code: 'protected' });
    expect(await kill({ params: { pid: process.pid } })).toMatchObject({ state: 'refused', code: 'protected' });
    expect(await kill({ params: { pid: process.ppid } })).toMatchObject({ state: 'refused', code: 'protected' });
    const thread = viewProcess(2);
    if (thread?.isKernelThread === true) {
      expect(await kill({ params: { pid: 2 } })).toMatchObject({
        state: 'refused',
        message: expect.stringMatching(/kernel/),
      });
    }
  });

  test('a protected process is skipped, also among others of the same name', async () => {
    const view = await start();
    const guarded = testHost({ protects: [program] });
    const call = (params: object) => testCall(guarded, 'process.kill', { params: { ...params } });
    expect(await createActions(guarded).run(call({ pid: view.pid }))).toMatchObject({
      state: 'refused',
      code: 'protected',
    });
    expect(await createActions(guarded).run(call({ name: 'abc.exe', path: program }))).toMatchObject({
      state: 'refused',
      code: 'protected',
    });
    expect(isAlive(view)).toBe(true);
  });

  test('a name in the configuration protects the program of that name where only root can put it, and no other', async () => {
    const guarded = testHost({ protects: ['sleep', 'abc.exe'] });
    const dryRun = (pid: number) =>
      createActions(guarded).run(testCall(guarded, 'process.kill', { params: { pid }, dryRun: true }));
    // Where it is not one of the names of another program.
    const real = await start('/bin/sleep', ['1000'], '/bin/sleep');
    if (basename(real.path) === 'sleep') expect(await dryRun(real.pid)).toMatchObject({ code: 'protected' });
    // Its own file, in a folder in which everybody may put files.
    expect(await dryRun((await start()).pid)).toMatchObject({ code: 'dry_run' });
  });

  test('a process that gave itself a protected name is ended', async () => {
    if (!existsSync('/usr/bin/python3')) {
      process.stderr.write('skipped: no python3 to rename a process with\n');
      return;
    }
    const code = 'import ctypes, time; ctypes.CDLL(None).prctl(15, b"postgres", 0, 0, 0); time.sleep(1000)';
    const renamed = await start('/usr/bin/python3', ['-c', code]);
    while (viewProcess(renamed.pid)?.name !== 'postgres') await sleep(systemClock, 10);
    const guarded = testHost({ protects: ['postgres'] });
    const run = (params: object, dryRun: boolean) =>
      createActions(guarded).run(testCall(guarded, 'process.kill', { params: { ...params }, dryRun }));
    expect(await run({ pid: renamed.pid }, true)).toMatchObject({ state: 'succeeded', code: 'dry_run' });
    expect(await run({ pid: renamed.pid }, false)).toMatchObject({ state: 'succeeded' });
    expect(isAlive(renamed)).toBe(false);
  });

  test('a dry run ends as the run would when a protected process is among those of a name', async () => {
    const open = await start();
    const kept = join(folder, 'kept', 'abc.exe');
    mkdirSync(join(folder, 'kept'));
    copyFileSync('/bin/sleep', kept);
    const protectedOne = await start(kept);
    const guarded = testHost({ protects: [join(folder, 'kept')] });
    const run = (dryRun: boolean) =>
      createActions(guarded).run(testCall(guarded, 'process.kill', { params: { name: 'abc.exe' }, dryRun }));
    expect(await run(true)).toMatchObject({
      state: 'failed',
      code: 'protected',
      effects: [`would send KILL to abc.exe (${open.pid}), ${program}`],
    });
    expect(isAlive(open)).toBe(true);
    expect(await run(false)).toMatchObject({ state: 'failed', code: 'protected' });
    expect([isAlive(open), isAlive(protectedOne)]).toEqual([false, true]);
  });

  test('a process whose first thread has ended still counts as running, and is ended', async () => {
    const code =
      'import ctypes, threading, time; threading.Thread(target=lambda: time.sleep(1000)).start(); ctypes.CDLL(None).pthread_exit(None)';
    if (!existsSync('/usr/bin/python3')) {
      process.stderr.write('skipped: no python3 to end the first thread of a process with\n');
      return;
    }
    const { pid } = await start('/usr/bin/python3', ['-c', code]);
    let view = viewProcess(pid)!;
    while (view.state !== 'Z') {
      await sleep(systemClock, 10);
      view = viewProcess(pid)!;
    }
    expect([view.threads, isAlive(view)]).toEqual([2, true]);
    const row = { pid, start_time: view.startTime, path: realpathSync('/usr/bin/python3') };
    expect(await kill({ binding: row })).toMatchObject({ state: 'succeeded', code: 'ok' });
    expect(isAlive(view)).toBe(false);
  });

  test('a thread id is not a process', () => {
    const threads = readdirSync('/proc/self/task')
      .map(Number)
      .filter((id) => id !== process.pid);
    expect(threads.length).toBeGreaterThan(0);
    expect(threads.map((id) => viewProcess(id)).filter((view) => view !== undefined)).toEqual([]);
    expect(viewProcess(process.pid)?.pid).toBe(process.pid);
  });
});

describe('process names', () => {
  const view = (name: string, path: string, args: readonly string[]): ProcessView =>
    ({ name, path, args }) as unknown as ProcessView;

  test.each([
    ['abc', view('abc', '/x/abc', ['abc']), true],
    ['abc', view('abcd', '/x/abcd', ['abcd']), false],
    ['averylongprogram', view('averylongprogra', '/usr/bin/python3', ['python3', '/x/averylongprogram']), true],
    ['averylongprogra', view('averylongprogra', '/usr/bin/python3', ['python3', '/x/averylongprogram']), false],
    // A process that set its own name has no other source for it.
    ['averylongprogra', view('averylongprogra', '/x/y', ['y']), true],
    ['averylongprogram', view('averylongprogra', '/x/y', ['y']), false],
    // The cut at 15 bytes is within a character.
    ['ääääääää', view('äääääää\uFFFD', '/x/ääääääää', ['x']), false],
  ])('%s: case %#', (name, process_, expected) => {
    expect(hasName(process_, name)).toBe(expected);
  });
});
