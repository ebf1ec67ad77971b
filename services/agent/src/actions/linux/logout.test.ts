import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from '@jest/globals';
import { sleep, systemClock } from '@muster/runtime/program';
import { testCall, testHost, recordedHost } from '../testing/action-harness.js';
import { logind, terminals } from './login-sessions.js';
import { logout } from './logout.js';
import { isAlive, type ProcessView, viewProcesses } from './process-view.js';
import { terminalName } from './login-sessions.js';

/** script(1) opens a terminal and starts a session on it, like a login. */
const canOpen = existsSync('/usr/bin/script') && existsSync('/dev/ptmx') && process.getuid?.() === 0;
if (!canOpen)
  process.stderr.write('session.logout on this machine is skipped: it needs script(1), /dev/ptmx and root\n');

(canOpen ? describe : describe.skip)('session.logout without a login manager on this machine', () => {
  const opened: ChildProcess[] = [];
  const run = (options: Parameters<typeof testCall>[2], protects: readonly string[] = []) =>
    logout(() => terminals).run(testCall(testHost({ protects }), 'session.logout', options));

  /** The session's leader and the program it waits for. */
  async function open(
    command = 'sleep 1000; :',
  ): Promise<{ leader: ProcessView; tty: string; members: ProcessView[] }> {
    const child = spawn('script', ['-qfc', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'ignore'] });
    opened.push(child);
    for (;;) {
      const views = viewProcesses();
      const leader = views.find((view) => view.parent === child.pid && view.session === view.pid && view.tty !== 0);
      const members = views.filter((view) => view.session === leader?.pid);
      if (leader !== undefined && members.some((view) => view.name === 'sleep')) {
        return { leader, tty: terminalName(leader.tty)!, members };
      }
      await sleep(systemClock, 10);
    }
  }
  afterEach(() => {
    for (const child of opened.splice(0)) child.kill('SIGKILL');
  });

  test('the session on a terminal ends with all its processes, and no other does', async () => {
    const [one, other] = [await open(), await open()];
    const result = await run({ params: { user: 'root', tty: one.tty } });
    expect(result).toMatchObject({ state: 'succeeded', effects: [`ended session of root on ${one.tty}`] });
    expect([one.members.some(isAlive), other.members.every(isAlive)]).toEqual([false, true]);
    expect(await run({ params: { user: 'root', tty: one.tty } })).toMatchObject({ code: 'unchanged' });
  });

  test('a process that ignores the hangup is killed', async () => {
    const { tty, members } = await open('trap "" HUP; sleep 1000; :');
    expect(await run({ params: { user: 'root', tty } })).toMatchObject({ state: 'succeeded' });
    expect(members.some(isAlive)).toBe(false);
  });

  test('a row of an earlier session on the terminal is refused, also in a dry run', async () => {
    const { tty, leader, members } = await open();
    const row = { user: 'root', tty, pid: leader.parent, time: leader.startTime };
    expect(await run({ binding: { ...row, pid: process.pid + 1 } })).toMatchObject({
      state: 'refused',
      code: 'changed',
    });
    expect(await run({ binding: { ...row, time: leader.startTime - 3_600 } })).toMatchObject({ state: 'refused' });
    expect(await run({ binding: row }, ['root'])).toMatchObject({ state: 'refused', code: 'protected' });
    expect(await run({ binding: row, dryRun: true })).toMatchObject({
      effects: [`would end session of root on ${tty}`],
    });
    expect(members.every(isAlive)).toBe(true);
    expect(await run({ binding: row })).toMatchObject({ state: 'succeeded' });
  });

  test('unknown users are unchanged, and terminal names are compared completely', async () => {
    const { tty, members } = await open();
    expect(await run({ params: { user: 'muster-nobody' } })).toMatchObject({ code: 'unchanged' });
    expect(await run({ params: { user: '0', tty } })).toMatchObject({ code: 'unchanged' });
    expect(await run({ params: { user: 'root', tty: `${tty}9999` } })).toMatchObject({ code: 'unchanged' });
    expect(await run({ params: { session: '1' } })).toMatchObject({ state: 'unsupported' });
    expect(members.every(isAlive)).toBe(true);
  });
});

const SHOW =
  'loginctl show-session --property=Id --property=Name --property=TTY --property=Leader --property=Class -- ';

describe('session.logout with logind (recorded)', () => {
  const list = 'loginctl list-sessions --no-legend --no-pager';
  const shown =
    'Id=3\nName=eve\nTTY=pts/0\nLeader=2000000001\nClass=user\n\nId=c1\nName=gdm\nTTY=tty1\nLeader=2000000002\nClass=greeter\n\nId=7\nName=eve\nTTY=\nLeader=2000000003\nClass=user\n';
  const run = (host: ReturnType<typeof recordedHost>, options: Parameters<typeof testCall>[2]) =>
    logout(() => logind).run(testCall(host, 'session.logout', options));

  test('the exact command lines, and only sessions of users are ended', async () => {
    const host = recordedHost({
      [list]: [
        { stdout: '      3 1000 eve   seat0 pts/0\n     c1   42 gdm   seat0 tty1\n      7 1000 eve              \n' },
        { stdout: '     7 1000 eve\n' },
        { stdout: '     7 1000 eve\n' },
        { stdout: '' },
      ],
      [`${SHOW}3 c1 7`]: { stdout: shown },
      [`${SHOW}7`]: { stdout: shown.slice(shown.indexOf('Id=7')) },
      'loginctl terminate-session -- 3': {},
      'loginctl terminate-session -- 7': {},
    });
    expect(await run(host, { params: { user: 'eve' } })).toMatchObject({
      state: 'succeeded',
      effects: ['ended session 3 of eve on pts/0', 'ended session 7 of eve'],
    });
    expect(host.ran.filter((line) => line.includes('terminate'))).toEqual([
      'loginctl terminate-session -- 3',
      'loginctl terminate-session -- 7',
    ]);
  });

  test('a session is found by its exact id', async () => {
    const host = recordedHost({ [list]: { stdout: '33 1000 eve seat0 pts/0\n' } });
    expect(await run(host, { params: { session: '3' } })).toMatchObject({
      code: 'unchanged',
      message: 'there is no session 3',
    });
  });

  test('a login manager that does not say whose sessions there are is no login manager without sessions', async () => {
    const host = recordedHost({ [list]: { stdout: '3 1000 eve seat0 pts/0\n' }, [`${SHOW}3`]: { stdout: '\n' } });
    expect(await run(host, { params: { user: 'eve' } })).toMatchObject({ state: 'unsupported' });
  });

  test('a session that ends between the calls costs no other, and one of which nothing is said is not gone', async () => {
    const ended = { code: 1, stderr: "No session '3' known\n" };
    const host = recordedHost({
      [list]: [{ stdout: '3 1000 eve\n7 1000 eve\n' }, { stdout: '7 1000 eve\n' }, { stdout: '' }],
      [`${SHOW}3 7`]: ended,
      [`${SHOW}7`]: { stdout: shown.slice(shown.indexOf('Id=7')) },
      'loginctl terminate-session -- 7': {},
    });
    expect(await run(host, { params: { user: 'eve' } })).toMatchObject({ effects: ['ended session 7 of eve'] });
    const stuck = recordedHost({
      [list]: { stdout: '3 1000 eve\n' },
      [`${SHOW}3`]: { code: 1, stderr: 'Connection timed out\n' },
    });
    expect(await run(stuck, { params: { user: 'eve' } })).toMatchObject({
      state: 'unsupported',
      message: 'Connection timed out',
    });
  });

  test('a login manager without an answer is unsupported', async () => {
    const host = recordedHost({ [list]: { code: 1, stderr: 'Failed to connect to bus\n' } });
    expect(await run(host, { params: { user: 'eve' } })).toMatchObject({
      state: 'unsupported',
      message: 'Failed to connect to bus',
    });
  });
});

describe('terminal names', () => {
  test.each([
    [0x8803, 'pts/3'],
    [0x8900, 'pts/256'],
    [0x0401, 'tty1'],
    [0x0440, 'ttyS0'],
    [0x0500, undefined],
    [0, undefined],
  ])('%i is %s', (device, name) => {
    expect(terminalName(device)).toBe(name);
  });
});
