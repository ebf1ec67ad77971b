import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { silentLogger as logger } from '@muster/runtime';
import { natsAccess, newPassword } from './broker-login.js';
import { findBinary } from './find-binary.js';
import { ensureBinary, findBroker } from './find-broker.js';
import { freePort } from './free-port.js';
import { keepRunning } from './keep-running.js';
import { natsAnswers, redisAnswers, until } from './probe.js';
import { startNats } from './start-nats.js';
import { startRedis } from './start-redis.js';

describe('brokers on this machine', () => {
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-brokers-'));
  });
  afterAll(() => rm(dataDir, { recursive: true }));

  it('a program is found on PATH, and in the system folders when PATH lacks them', async () => {
    expect(await findBinary('sh', '/nowhere')).toMatch(/^\/(usr\/)?bin\/sh$/);
    expect(await findBinary('no-such-program')).toBeUndefined();
  });

  it('a program that cannot be found or installed is named in one error that says what to do', async () => {
    const finding = findBroker('nats', { logger, allow: [] });
    await expect(finding).rejects.toMatchObject({ name: 'MissingProgramError', program: 'nats-server' });
    await expect(finding).rejects.toThrow(/apt-get install nats-server.*Docker.*MUSTER_NATS_URL/);
    const ensuring = ensureBinary('no-such-program', 'no-such-package', { logger, allow: ['path'] });
    await expect(ensuring).rejects.toThrow(
      /no-such-program is needed.*neither on PATH.*apt-get install no-such-package/,
    );
  });

  it('a broker that was killed is started again, until that is no longer wanted', async () => {
    const redis = await startRedis({ dataDir: join(dataDir, 'kept'), logger });
    const stopping = new AbortController();
    const events: string[] = [];
    let isBack = (): void => undefined;
    const back = new Promise<void>((resolve) => (isBack = resolve));
    const onEvent = (text: string): void => {
      events.push(text);
      if (text.endsWith('is back')) isBack();
    };
    const keeping = keepRunning(redis, { name: 'redis', onEvent, signal: stopping.signal });
    await redis.kill9();
    await back;
    expect(await redisAnswers(redis.port)).toBe(true);
    expect(events).toEqual(['redis has ended; starting it again in 0.5 s', 'redis is back']);
    stopping.abort();
    await keeping;
    await redis.stop();
    expect([redis.pid, events.length]).toEqual([undefined, 2]);
  });

  it('nats answers after its start, keeps its address over a kill, and is gone after its stop', async () => {
    const nats = await startNats({ dataDir: join(dataDir, 'nats'), logger });
    expect(nats.url).toBe(`nats://127.0.0.1:${nats.port}`);
    expect((await fetch(`${nats.monitorUrl}/varz`)).ok).toBe(true);
    const { pid } = nats;
    await nats.kill9();
    expect(nats.pid).toBeUndefined();
    expect(await natsAnswers(nats.port)).toBe(false);
    await nats.restart();
    expect(await natsAnswers(nats.port)).toBe(true);
    expect(nats.pid).not.toBe(pid);
    await Promise.all([nats.stop(), nats.stop()]);
    await nats.stop();
    expect(await natsAnswers(nats.port)).toBe(false);
  });

  it('a broker with a login refuses whoever has none, or a wrong one, and its file is readable by its owner alone', async () => {
    const [natsDir, redisDir] = [join(dataDir, 'locked-nats'), join(dataDir, 'locked-redis')];
    const login = { user: 'muster', password: newPassword() };
    // As an earlier version left them.
    for (const [folder, file] of [
      [natsDir, 'nats.conf'],
      [redisDir, 'redis.conf'],
    ] as const) {
      await mkdir(folder);
      await writeFile(join(folder, file), '', { mode: 0o644 });
    }
    const nats = await startNats({ dataDir: natsDir, logger, access: natsAccess(login) });
    const redis = await startRedis({ dataDir: redisDir, logger, login });
    const wrong = { ...login, password: newPassword() };
    for (const [answers, { port, url }] of [
      [natsAnswers, nats],
      [redisAnswers, redis],
    ] as const) {
      expect(await answers(port, login)).toBe(true);
      expect(await answers(port)).toBe(false);
      expect(await answers(port, wrong)).toBe(false);
      expect(url).toContain(`://muster:${login.password}@127.0.0.1:`);
    }
    for (const file of [join(natsDir, 'nats.conf'), join(redisDir, 'redis.conf')]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    }
    for (const { pid } of [nats, redis]) {
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(login.password);
    }
    await Promise.all([nats.stop(), redis.stop()]);
  });

  it('a port that another program has is refused, with the reason', async () => {
    const redis = await startRedis({ dataDir: join(dataDir, 'redis-1'), logger });
    const second = startRedis({ dataDir: join(dataDir, 'redis-2'), logger, port: redis.port });
    await expect(second).rejects.toMatchObject({ name: 'BrokerStartError', isPortTaken: true });
    await redis.stop();
  });

  it('a broker that ends at once is reported with its output', async () => {
    const source = { kind: 'binary', path: '/bin/false' } as const;
    const starting = startRedis({ dataDir: join(dataDir, 'redis-3'), logger, source });
    await expect(starting).rejects.toThrow(/redis-server did not start: it ended at once/);
  });

  it('a broker that does not react to SIGTERM is killed', async () => {
    const redis = await startRedis({ dataDir: join(dataDir, 'redis-4'), logger });
    process.kill(redis.pid!, 'SIGSTOP');
    await redis.stop();
    expect(redis.pid).toBeUndefined();
  });

  it('redis data survives a stop with `persist`', async () => {
    const redis = await startRedis({ dataDir: join(dataDir, 'redis-5'), logger, persist: true });
    await redisSays(redis.port, 'SET color green');
    await redis.restart();
    expect(await redisSays(redis.port, 'GET color')).toContain('green');
    await redis.stop();
  });

  it('brokers end with the process that started them, even when it is killed', async () => {
    const port = await freePort();
    const script = `
      const { startRedis } = await import(${JSON.stringify(new URL('index.js', import.meta.url).href)});
      const { silentLogger: logger } = await import('@muster/runtime');
      await startRedis({ dataDir: ${JSON.stringify(join(dataDir, 'redis-6'))}, logger, port: ${port} });
      process.kill(process.pid, 'SIGKILL');
    `;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    const [, signal] = (await once(starter, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    expect(await until(async () => !(await redisAnswers(port)), 10_000)).toBe(true);
  });
});

/** Redis takes commands as plain lines too. */
async function redisSays(port: number, line: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`${line}\r\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  socket.destroy();
  return answer.toString();
}
