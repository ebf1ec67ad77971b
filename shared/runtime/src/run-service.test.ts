import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

// A whole service in a real process, as main.ts of each has it.
const PROGRAM = `
  import { createHealthServer, defineConfig, field, loadConfig, runService } from ${JSON.stringify(new URL('./index.js', import.meta.url).href)};
  const config = defineConfig({ prefix: 'MUSTER_DEMO_', fields: {
    mode: field.oneOf('MUSTER_DEMO_MODE', ['good', 'hang', 'wait', 'throw', 'crash', 'fail']),
    key: field.secret('MUSTER_DEMO_KEY', { optional: true }),
  } });
  await runService({
    name: 'demo',
    env: process.env,
    load: (env) => loadConfig(config, env),
    build: async ({ mode }, { metrics, runner, logger }) => {
      runner.go('health', createHealthServer({ host: '127.0.0.1', port: 0, metrics, logger, readiness: runner }));
      if (mode === 'throw') throw new Error('no broker');
      if (mode === 'crash') setTimeout(() => { throw new Error('bug'); }, 10);
      if (mode === 'fail') setTimeout(() => runner.fail('lease', new Error('lost')), 10);
      if (mode === 'hang') runner.defer('hung', () => new Promise(() => {}));
      if (mode === 'wait') { setInterval(() => {}, 1000); logger.info('waiting'); await new Promise(() => {}); }
    },
  });
`;

let folder: string;
let child: ChildProcess | undefined;
let output = '';
let errors = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-run-service-'));
  output = '';
  errors = '';
});
afterEach(() => {
  if (child?.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function launch(env: Record<string, string>): ChildProcess {
  child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env: { ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout?.on('data', (chunk) => (output += String(chunk)));
  child.stderr?.on('data', (chunk) => (errors += String(chunk)));
  return child;
}

const ended = async (running: ChildProcess): Promise<unknown> => ((await once(running, 'close')) as unknown[])[0];

async function printed(running: ChildProcess, text: string): Promise<void> {
  const over = once(running, 'close').then(() => 'over');
  while (!output.includes(text)) {
    if ((await Promise.race([once(running.stdout ?? running, 'data'), over])) === 'over')
      throw new Error(output + errors);
  }
}

describe('a service', () => {
  test('that starts says where it listens, in its log and in the ready file, and ends with 0 on SIGTERM', async () => {
    const readyFile = join(folder, 'ready.json');
    const appeared = new Promise<void>((resolve) => {
      const watcher = watch(folder, (_event, name) => {
        if (name !== 'ready.json') return;
        watcher.close();
        resolve();
      });
    });
    const running = launch({
      MUSTER_DEMO_MODE: 'good',
      MUSTER_READY_FILE: readyFile,
      MUSTER_DEMO_KEY: 'S3CRET',
      MUSTER_DEMO_KY: 'x',
    });
    await appeared;
    const ready = JSON.parse(readFileSync(readyFile, 'utf8')) as { pid: number; ports: { health: number } };
    expect(ready).toEqual({ pid: running.pid, ports: { health: expect.any(Number) } });
    expect((await fetch(`http://127.0.0.1:${ready.ports.health}/readyz`)).status).toBe(200);
    running.kill('SIGTERM');
    expect(await ended(running)).toBe(0);
    expect(output).toContain(`"ports":{"health":${ready.ports.health}},"msg":"listening"`);
    expect(output).toContain('MUSTER_DEMO_KY is set, but no setting has that name');
    expect(output).not.toContain('S3CRET');
  });

  test('with a faulty configuration lists all of it on standard error and ends with 2', async () => {
    const running = launch({ MUSTER_DEMO_MODE: 'bad', MUSTER_LOG_LEVEL: 'loud', MUSTER_STOP_TIMEOUT: '1x' });
    expect(await ended(running)).toBe(2);
    expect(errors).toMatch(/^demo: The configuration has faults:\n( {2}MUSTER_\S+ is .* \(for example: .*\)\n){3}$/);
    expect(output).toBe('');
  });

  test.each([
    ['throw', 'no broker'],
    ['crash', 'bug'],
    ['fail', 'lost'],
  ])('that fails (%s) logs why and ends with 1', async (mode, reason) => {
    const running = launch({ MUSTER_DEMO_MODE: mode });
    expect(await ended(running)).toBe(1);
    expect(output).toContain(reason);
  });

  test('that hangs in its stop ends at the bound with 1', async () => {
    const running = launch({ MUSTER_DEMO_MODE: 'hang', MUSTER_STOP_TIMEOUT: '200ms' });
    await printed(running, 'listening');
    running.kill('SIGTERM');
    expect(await ended(running)).toBe(1);
    expect(output).toContain('component did not end in time');
  });

  test('that hangs in its stop ends at once on a second signal', async () => {
    const running = launch({ MUSTER_DEMO_MODE: 'hang' });
    await printed(running, 'listening');
    running.kill('SIGINT');
    await printed(running, 'stopping');
    running.kill('SIGINT');
    expect(await ended(running)).toBe(130);
  });

  test('that still waits for something while it is built stops when asked to', async () => {
    const running = launch({ MUSTER_DEMO_MODE: 'wait' });
    await printed(running, 'waiting');
    running.kill('SIGTERM');
    expect(await ended(running)).toBe(0);
  });

  test('whose parent was killed stops by itself', async () => {
    const script = `
      const { spawn } = require('node:child_process');
      spawn(process.execPath, ['--input-type=module', '-e', ${JSON.stringify(PROGRAM)}], {
        env: { MUSTER_DEMO_MODE: 'good', MUSTER_PARENT_PID: String(process.pid) }, stdio: ['ignore', 'inherit', 'inherit'] });
    `;
    child = spawn(process.execPath, ['-e', script], { env: {}, stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout?.on('data', (chunk) => (output += String(chunk)));
    await printed(child, 'listening');
    child.kill('SIGKILL');
    // The pipe closes when the last process that holds it, the service, has ended.
    await once(child, 'close');
    expect(output).toContain('parent gone');
    expect(output).toContain('"msg":"stopped"');
  });
});
