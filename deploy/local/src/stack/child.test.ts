import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Child, ChildError, type ChildSpec } from './child.js';
import { Supervisor } from './supervisor.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-child-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const READY = `
  const { writeFileSync, renameSync } = await import('node:fs');
  const port = Number(process.env.PORT || 0) || 40000 + process.pid % 1000;
  writeFileSync(process.env.MUSTER_READY_FILE + '.tmp', JSON.stringify({ pid: process.pid, ports: { main: port } }));
  renameSync(process.env.MUSTER_READY_FILE + '.tmp', process.env.MUSTER_READY_FILE);
  setInterval(() => {}, 1000);`;

async function spec(program: string, more: Partial<ChildSpec> = {}): Promise<ChildSpec> {
  const main = join(folder, 'main.mjs');
  await writeFile(main, program);
  return { name: 'probe', main, env: {}, logPath: join(folder, 'log'), readyPath: join(folder, 'ready.json'), ...more };
}

test('a program that ends before it is ready is reported with the end of its log', async () => {
  const child = new Child(await spec(`console.error('no broker'); process.exit(3)`));
  const failure = await child.ready().catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ChildError);
  expect((failure as Error).message).toMatch(/probe ended with code 3[^]*no broker/);
});

test('a slow start is not given up by who waits for it, who is told what the program logged last', async () => {
  const program = `console.log('reading 40,000 of 100,000'); await new Promise((done) => setTimeout(done, 1_500));${READY}`;
  const child = new Child(await spec(program, { readyTimeoutMs: 400 }));
  const told: string[] = [];
  await child.ready((text) => told.push(text));
  expect(told.join()).toMatch(/^probe has been starting for \d+ s\.[^]*reading 40,000 of 100,000/);
  await child.stop(50);
  const impatient = new Child(await spec(program, { readyTimeoutMs: 400 }));
  await expect(impatient.ready()).rejects.toThrow('was not ready within 0.4 s');
  await impatient.stop(50);
});

test('a program that ignores SIGTERM is killed after its grace time', async () => {
  const child = new Child(await spec(`process.on('SIGTERM', () => {});${READY}`));
  await child.ready();
  await child.stop(50);
  expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
});

test('a killed program is restarted on the same port, and an event reports it', async () => {
  const events: string[] = [];
  let back: () => void = () => undefined;
  const returned = new Promise<void>((resolve) => (back = resolve));
  const onEvent = (text: string): void => {
    events.push(text);
    if (text.endsWith('is back')) back();
  };
  const supervisor = new Supervisor(await spec(READY, { portVariables: { main: 'PORT' } }), { restart: true, onEvent });
  await supervisor.start();
  const [pid, port] = [supervisor.pid, supervisor.port('main')];
  supervisor.signal('SIGKILL');
  await returned;
  expect(supervisor.pid).not.toBe(pid);
  expect(supervisor.port('main')).toBe(port);
  expect(events[0]).toMatch(/^probe was ended by SIGKILL; starting it again in 0.5 s/);
  await supervisor.stop(1_000);
  expect(supervisor.pid).toBe(-1);
});

test('a program with a configuration fault is not restarted', async () => {
  const event = new Promise<string>((onEvent) => {
    const program = `${READY} setTimeout(() => process.exit(2), 50);`;
    void spec(program).then((made) => new Supervisor(made, { restart: true, onEvent }).start());
  });
  expect(await event).toMatch(/ended with code 2; it is not started again/);
});
