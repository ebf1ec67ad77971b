import { describe, expect, test } from '@jest/globals';
import type { RecordedRun } from '../testing/action-harness.js';
import { program, platformHarness } from '../testing/platform-harness.js';

const { play, playUndo } = platformHarness('windows');

describe('service.stop, start and restart', () => {
  const state = (number: number, word: string): RecordedRun =>
    program('sc.exe', ['queryex', 'Adware'], {
      stdout: `\r\nSERVICE_NAME: Adware\r\n        TYPE               : 10  WIN32_OWN_PROCESS\r\n        STATE              : ${number}  ${word}\r\n                                (STOPPABLE)\r\n        PID                : 4711\r\n`,
    });
  const config = program('sc.exe', ['qc', 'Adware', '8192'], {
    stdout: '[SC] QueryServiceConfig SUCCESS\r\n\r\n        BINARY_PATH_NAME   : C:\\Adware\\a.exe\r\n',
  });
  const running = [state(4, 'RUNNING'), config];
  const stopped = [state(1, 'STOPPED'), config];

  test('stop waits for the state, saves the undo, and the undo starts the service', async () => {
    const runs = [...running, program('sc.exe', ['stop', 'Adware']), ...stopped, ...stopped];
    const row = { name: 'Adware', path: 'C:\\Adware\\a.exe' };
    const result = await play(runs, 'service.stop', { binding: row });
    expect(result).toMatchObject({ state: 'succeeded', kept: [expect.anything()] });
    const back = [...stopped, program('sc.exe', ['start', 'Adware']), ...running, ...running];
    expect(await playUndo(back, 'service.stop', result.kept[0] ?? null)).toMatchObject({ state: 'succeeded' });
  });

  test('restart is stop and start', async () => {
    const runs = [...running, program('sc.exe', ['stop', 'Adware']), ...stopped];
    const then = [program('sc.exe', ['start', 'Adware']), ...running, ...running];
    expect(await play([...runs, ...then], 'service.restart', { params: { name: 'Adware' } })).toMatchObject({
      state: 'succeeded',
    });
  });

  test('refuses a changed or critical service', async () => {
    const other = { name: 'Adware', path: 'C:\\other.exe' };
    expect(await play(running, 'service.stop', { binding: other })).toMatchObject({
      state: 'refused',
      code: 'changed',
    });
    const rpc = [
      program('sc.exe', ['queryex', 'RpcSs'], { stdout: 'STATE : 4 RUNNING\r\n' }),
      program('sc.exe', ['qc', 'RpcSs', '8192']),
    ];
    expect(await play(rpc, 'service.stop', { params: { name: 'RpcSs' } })).toMatchObject({ code: 'protected' });
    const unknown = program('sc.exe', ['queryex', 'Nobody'], { code: 1060 });
    expect(await play([unknown], 'service.stop', { params: { name: 'Nobody' } })).toMatchObject({ code: 'not_found' });
    const denied = program('sc.exe', ['queryex', 'Nobody'], { code: 5, stdout: 'Access is denied.' });
    expect(await play([denied], 'service.stop', { params: { name: 'Nobody' } })).toMatchObject({
      state: 'failed',
      code: 'program_failed',
    });
  });
});
