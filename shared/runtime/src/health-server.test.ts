import { connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createHealthServer, type HealthServer } from './health-server.js';
import { silentLogger } from './logger.js';
import { createMetrics } from './metrics.js';
import type { Check } from './readiness.js';
import { eventually } from './testing/eventually.js';

let server: HealthServer | undefined;
afterEach(() => server?.stop());

const readiness = { state: 'ready', ready: true };

async function serve(checks: Record<string, Check> = {}, readyState = readiness): Promise<string> {
  server = createHealthServer({
    host: '127.0.0.1',
    port: 0,
    metrics: createMetrics('demo'),
    logger: silentLogger,
    checks,
    readiness: readyState,
    checkTimeoutMs: 50,
  });
  await server.start();
  return `http://127.0.0.1:${server.ports()['health']}`;
}

describe('health server', () => {
  test('/healthz is 200 while everything it could depend on is down', async () => {
    const base = await serve({ nats: () => false }, { state: 'draining', ready: false });
    const response = await fetch(`${base}/healthz`);
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
  });

  test('/readyz names each check; one that fails, throws or hangs makes it 503', async () => {
    const base = await serve({
      lease: () => true,
      nats: () => ({ ok: false, detail: 'disconnected' }),
      redis: () => Promise.reject(new Error('refused')),
      disk: () => new Promise(() => {}),
    });
    const response = await fetch(`${base}/readyz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      ready: false,
      state: 'ready',
      checks: {
        lease: { ok: true },
        nats: { ok: false, detail: 'disconnected' },
        redis: { ok: false, detail: 'refused' },
        disk: { ok: false, detail: 'no answer within 50 ms' },
      },
    });
  });

  test('/readyz is 200 only while the life cycle says ready', async () => {
    const state = { state: 'starting', ready: false };
    const base = await serve({ nats: () => true }, state);
    const statuses: number[] = [];
    for (const ready of [false, true, false]) {
      state.ready = ready;
      statuses.push((await fetch(`${base}/readyz`)).status);
    }
    expect(statuses).toEqual([503, 200, 503]);
  });

  test('/metrics has the registry in Prometheus’ content type', async () => {
    const response = await fetch(`${await serve()}/metrics?x=1`);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(await response.text()).toMatch(/^process_cpu_seconds_total /m);
  });

  test('other paths are 404, other methods 405', async () => {
    const base = await serve();
    expect((await fetch(`${base}/admin`)).status).toBe(404);
    expect((await fetch(`${base}/healthz`, { method: 'POST' })).status).toBe(405);
  });

  test('a port that is taken rejects the start', async () => {
    const port = Number(new URL(await serve()).port);
    const metrics = createMetrics('demo');
    const second = createHealthServer({ host: '127.0.0.1', port, metrics, logger: silentLogger, readiness });
    await expect(second.start()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await second.stop();
  });

  test('answers while more silent connections come than it takes, and cuts them', async () => {
    const base = await serve();
    const port = Number(new URL(base).port);
    let closed = 0;
    const sockets = await Promise.all(
      Array.from({ length: 600 }, async (_, i) => {
        const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.0.${2 + (i % 3)}` });
        // Reads what it is told, so that it sees the end.
        socket
          .on('error', () => {})
          .on('close', () => (closed += 1))
          .resume();
        await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
        return socket;
      }),
    );
    const text = await (await fetch(`${base}/metrics`)).text();
    expect(text).toMatch(/^muster_demo_health_connections_cut_total\{why="room_unproven"\} [1-9]/m);
    for (const path of ['healthz', 'readyz']) expect((await fetch(`${base}/${path}`)).status).toBe(200);
    await eventually(() => closed === sockets.length, 'every silent connection was cut');
  });

  test('a stop does not wait for a client that never finishes its request once its time is over', async () => {
    const { port } = new URL(await serve());
    const socket = connect(Number(port), '127.0.0.1');
    await new Promise<void>((resolve) => socket.once('connect', resolve));
    await new Promise<void>((resolve) => void socket.write('GET /healthz HTTP/1.1\r\nhost: x\r\n', () => resolve()));
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()).once('error', () => {}));
    await server?.stop(AbortSignal.abort());
    await closed;
  });
});
