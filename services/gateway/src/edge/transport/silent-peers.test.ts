import { connect, type Socket } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { ensureCertificates } from '@muster/local';
import { ConnectionGuard, createMetrics, silentLogger, systemClock, trustedProxies } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { WebSocket } from 'ws';
import { ChannelTraffic } from '../../traffic/frame-traffic.js';
import { HEAD_TIMEOUT_MS } from './transport.js';
import { Recorder } from './recorder.contract.js';
import { WsTransport } from './ws-transport.js';

const UNPROVEN = 50;

const ended: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

async function listen(tls?: { readonly certFile: string; readonly keyFile: string }) {
  const metrics = createMetrics('gateway');
  const guard = new ConnectionGuard({
    ...{ listener: 'gateway', metrics, logger: silentLogger, clock: systemClock },
    bounds: { total: 2 * UNPROVEN, perAddress: 2 * UNPROVEN, unproven: UNPROVEN },
    headTimeoutMs: HEAD_TIMEOUT_MS,
  });
  const transport = new WsTransport(
    {
      ...{ host: '127.0.0.1', port: 0, ...(tls === undefined ? {} : { tls }), trustedProxies: trustedProxies([]) },
      ...{ frameBytes: 1_000, bodyBytes: () => 1_000, silenceMs: 60_000, backpressureBytes: 1_000 },
      traffic: new ChannelTraffic(systemClock),
      guard: () => guard,
    },
    new Recorder(),
  );
  ended.push(() => transport.stop());
  const port = await transport.listen();
  const count = async (state: string): Promise<number> => {
    const text = await metrics.registry.metrics();
    return Number(new RegExp(`^muster_gateway_connections\\{state="${state}"\\} (\\d+)$`, 'm').exec(text)?.[1]);
  };
  return { port, count };
}

/** Peers that never close their side. */
async function occupy(port: number, count: number, say = ''): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async () => {
      const socket: Socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2', allowHalfOpen: true });
      socket.on('error', () => undefined).resume();
      await new Promise<void>((resolve) => socket.once('connect', resolve).once('close', () => resolve()));
      if (say !== '') socket.write(say);
      return socket;
    }),
  );
  ended.push(() => sockets.forEach((socket) => socket.destroy()));
}

async function upgrade(port: number, ca?: string): Promise<WebSocket> {
  const url = `${ca === undefined ? 'ws' : 'wss'}://localhost:${port}/v1/live`;
  const socket = new WebSocket(url, 'muster.v1', ca === undefined ? {} : { ca });
  ended.push(() => socket.terminate());
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return socket;
}

test.each(['', 'GET /v1/live HTTP/1.1\r\nhost: '])(
  'peers that send %j and nothing more make room for others, keep no session away, and are cut in time',
  async (say) => {
    const { port, count } = await listen();
    const sessions = [await upgrade(port)];
    await occupy(port, 6 * UNPROVEN, say);
    sessions.push(await upgrade(port), await upgrade(port));
    expect(await count('busy')).toBe(3);
    await eventually(async () => (await count('silent')) === 0, 'all are cut', 3 * HEAD_TIMEOUT_MS);
    expect(sessions.map(({ readyState }) => readyState)).toEqual(sessions.map(() => WebSocket.OPEN));
    expect(await count('busy')).toBe(3);
  },
  60_000,
);

test('so are peers that never begin TLS', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-silent-'));
  ended.push(() => rm(folder, { recursive: true }));
  const { certPath: certFile, keyPath: keyFile, caPath } = await ensureCertificates(folder);
  const { port, count } = await listen({ certFile, keyFile });
  await occupy(port, 6 * UNPROVEN);
  await upgrade(port, await readFile(caPath, 'utf8'));
  await eventually(async () => (await count('silent')) === 0, 'all are cut', 3 * HEAD_TIMEOUT_MS);
  expect(await count('busy')).toBe(1);
});
