import { describe, expect, test } from '@jest/globals';
import { hasEnded, viewProcess } from '../linux/process-view.js';
import { runProgram } from './run-program.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('running a program', () => {
  test('arguments pass through no shell, and the environment is not inherited', async () => {
    process.env['MUSTER_TEST_SECRET'] = 'x';
    const args = ['%s\n', '$(id)', '; id', '`id`', '*', '', "it's"];
    expect(await runProgram('printf', args, {})).toEqual({
      code: 0,
      stdout: `${args.slice(1).join('\n')}\n`,
      stderr: '',
    });
    const env = await runProgram('env', [], { env: { OWN: '1' } });
    expect(env.stdout.trim().split('\n').sort()).toEqual(['LC_ALL=C', 'OWN=1', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin']);
    delete process.env['MUSTER_TEST_SECRET'];
  });

  test('reports the exit code or the signal', async () => {
    expect(await runProgram('muster-no-such-program', [], {})).toMatchObject({ code: 127 });
    expect(await runProgram('/etc/passwd', [], {})).toMatchObject({ code: 126 });
    expect(await runProgram('sh', ['-c', 'echo out; echo err >&2; exit 3'], {})).toEqual({
      code: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await runProgram('sh', ['-c', 'kill -9 $$'], {})).toMatchObject({ code: 137 });
    expect(await runProgram('cat', [], { input: 'in' })).toMatchObject({ code: 0, stdout: 'in' });
  });

  test('kills the program and its children on timeout and on abort', async () => {
    const args = ['-c', 'sleep 1000 & echo $!; wait'];
    const late = await runProgram('sh', args, { timeoutMs: 200 });
    expect(late.code).toBe(124);
    // The process has ended, or is a zombie until its new parent reaps it.
    const left = viewProcess(Number(late.stdout));
    expect(left === undefined || hasEnded(left)).toBe(true);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 100);
    expect(await runProgram('sh', args, { signal: abort.signal })).toMatchObject({ code: 124 });
    expect(await runProgram('true', [], { signal: abort.signal })).toMatchObject({ code: 124 });
  });

  test('does not wait for a daemon that keeps the output open', async () => {
    const started = performance.now();
    const left = await runProgram('sh', ['-c', 'sleep 1000 & echo $!'], {});
    expect(left.code).toBe(0);
    expect(performance.now() - started).toBeLessThan(60_000);
    process.kill(Number(left.stdout), 'SIGKILL');
    const quiet = await runProgram('sh', ['-c', 'echo lost'], { output: 'ignore' });
    expect(quiet).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
