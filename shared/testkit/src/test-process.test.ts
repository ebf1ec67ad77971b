import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { TestProcess } from './test-process.js';

let folder: string;
let main: string;
let started: TestProcess | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-testkit-'));
  main = join(folder, 'main.mjs');
  writeFileSync(
    main,
    `import { writeFileSync } from 'node:fs';
    if (process.argv[2] === 'fail') { console.error('bad configuration'); process.exit(2); }
    console.log('instance', process.env.NAME);
    const ready = { pid: process.pid, ports: { health: 4711 } };
    process.on('SIGTERM', () => process.exit(0));
    writeFileSync(process.env.MUSTER_READY_FILE, JSON.stringify(ready));
    setInterval(() => {}, 1_000);`,
  );
});
afterEach(async () => {
  await started?.kill();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('a service is ready when it has written its ready file, and ends with its exit code', async () => {
  started = await TestProcess.start({ main, env: { NAME: 'seven' } });
  expect(started.healthUrl).toBe('http://127.0.0.1:4711');
  expect((await started.printed(/instance (\w+)/))[1]).toBe('seven');
  started.freeze();
  expect(await started.stop()).toBe(0);
  expect(started.running).toBe(false);
});

test('a killed one has no exit code', async () => {
  started = await TestProcess.start({ main });
  expect(await started.kill()).toBeNull();
});

test('a program that ends before it is ready is quoted', async () => {
  started = new TestProcess({ main, args: ['fail'] });
  await expect(started.ready()).rejects.toThrow(/ended with 2 before it was ready:\nbad configuration/);
  await expect(started.printed('instance')).rejects.toThrow('bad configuration');
});
