import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@jest/globals';
import { BROKER_RIGHTS } from '@muster/messages';
import { silentLogger as logger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { natsAnswers } from './brokers/probe.js';
import { startNats } from './brokers/start-nats.js';

test('nats-users writes a configuration that nats-server takes, and keeps its passwords', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-users-'));
  const run = async (...options: string[]): Promise<unknown> => {
    const program = fileURLToPath(new URL('nats-users.js', import.meta.url));
    const [code] = await once(spawn(process.execPath, [program, folder, ...options], { stdio: 'ignore' }), 'exit');
    return code;
  };
  const write = async (...options: string[]): Promise<string> => {
    expect(await run(...options)).toBe(0);
    return readFile(join(folder, 'nats-users.conf'), 'utf8');
  };
  const first = await write();
  expect(await write()).toBe(first);
  for (const file of await readdir(folder)) expect((await stat(join(folder, file))).mode & 0o777).toBe(0o600);
  const loginOf = async (user: string) => ({
    user,
    password: (await readFile(join(folder, `${user}-password`), 'utf8')).trim(),
  });
  const login = await loginOf('gateway');
  const nats = await startNats({ dataDir: folder, logger, access: { config: 'include ./nats-users.conf', login } });
  for (const user of Object.keys(BROKER_RIGHTS)) expect(await natsAnswers(nats.port, await loginOf(user))).toBe(true);
  expect(await natsAnswers(nats.port)).toBe(false);
  expect(await natsAnswers(nats.port, { ...login, user: 'api' })).toBe(false);
  const former = await loginOf('gateway');
  await write('--rotate', '--route', 'nats-1:6222');
  process.kill(nats.pid!, 'SIGHUP');
  await eventually(async () => natsAnswers(nats.port, await loginOf('gateway')), 'the new password is taken');
  expect(await natsAnswers(nats.port, former)).toBe(false);
  const routes = await readFile(join(folder, 'nats-routes.conf'), 'utf8');
  const { password } = await loginOf('routes');
  expect(routes).toContain(`nats://routes:${password}@nats-1:6222`);
  expect(routes).toContain(`password: "${password}"`);
  // Rotated without the routes they would keep their old password.
  const rotated = await write();
  expect(await run('--rotate')).toBe(2);
  expect([await write(), await readFile(join(folder, 'nats-routes.conf'), 'utf8')]).toEqual([rotated, routes]);
  await nats.stop();
  await rm(folder, { recursive: true });
}, 60_000);
