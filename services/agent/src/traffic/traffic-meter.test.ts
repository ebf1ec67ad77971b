import { createServer, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { encodeBody, FRAME, HEADER_BYTES, type SessionMode } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { TcpRelay } from '@muster/testkit';
import { openDialer } from '../network/dialer.js';
import { createConnect } from '../transports/create-connect.js';
import type { SessionConnection } from '../contract/session-connection.js';
import { ConnectProxy } from '../testing/connect-proxy.js';
import { FakeGateway } from '../testing/fake-gateway.js';
import { TEST_CERTIFICATE, TEST_CA, TEST_KEY } from '../testing/tls-fixture.js';
import { HELLO } from '../testing/connection-fixture.js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrafficPurpose } from './purpose.js';
import { TrafficMeter } from './traffic-meter.js';

const TLS = { cert: TEST_CERTIFICATE, key: TEST_KEY };

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function startMeter(): TrafficMeter {
  const meter = new TrafficMeter(systemClock);
  meter.start();
  cleanups.push(() => meter.stop());
  return meter;
}

function totals(meter: TrafficMeter): { in: number; out: number } {
  const sum = { in: 0, out: 0 };
  for (const { bytesIn, bytesOut } of meter.read()) {
    sum.in += bytesIn;
    sum.out += bytesOut;
  }
  return sum;
}

/** Bytes can be in transit for a while; in the end both have counted the same. */
async function untilEqual(meter: TrafficMeter, relay: TcpRelay): Promise<void> {
  const isEqual = (): boolean => totals(meter).in === relay.bytes.in && totals(meter).out === relay.bytes.out;
  await eventually(isEqual, 'equal counts', 2_000).catch(() => undefined);
  expect(totals(meter)).toEqual({ in: relay.bytes.in, out: relay.bytes.out });
  expect(relay.bytes.in).toBeGreaterThan(0);
}

function frameBytes(meter: TrafficMeter, purpose: TrafficPurpose): { in: number; out: number } {
  const row = meter.read().find((one) => one.purpose === purpose);
  return { in: row?.bytesIn ?? 0, out: row?.bytesOut ?? 0 };
}

/** A gateway, perhaps a proxy, and between the agent and whichever comes first a relay that counts. */
async function startRoad(tls: boolean, proxy: 'none' | 'http' | 'https') {
  const gateway = await FakeGateway.start(tls ? { tls: TLS } : {});
  cleanups.push(() => gateway.stop());
  const folder = mkdtempSync(join(tmpdir(), 'muster-traffic-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const gatewayCaFile = join(folder, 'ca.pem');
  writeFileSync(gatewayCaFile, TEST_CA);
  const meter = startMeter();
  const gatewayPort = Number(new URL(gateway.url).port);
  if (proxy === 'none') {
    const relay = await startRelay(gatewayPort);
    const origin = gateway.origin.replace(String(gatewayPort), String(relay.port));
    return {
      gateway,
      relay,
      meter,
      dialer: await openDialer({ gatewayUrls: [origin], gatewayCaFile, meter }, {}),
      origin,
    };
  }
  const server = await ConnectProxy.start({ credentials: 'anna:secret', ...(proxy === 'https' && { tls: TLS }) });
  cleanups.push(() => server.stop());
  const relay = await startRelay(server.port);
  const env = proxyEnvironment(`${proxy}://anna:secret@127.0.0.1:${relay.port}`);
  const dialer = await openDialer({ gatewayUrls: [gateway.origin], gatewayCaFile, meter }, env);
  return { gateway, relay, meter, dialer, origin: gateway.origin };
}

/** Whatever else this process was given: what finds the proxy for a URL looks at the process itself. */
function proxyEnvironment(proxy: string): Record<string, string> {
  const before = { ...process.env };
  for (const name of Object.keys(before)) if (/_proxy$/i.test(name)) delete process.env[name];
  process.env['ALL_PROXY'] = proxy;
  cleanups.push(() => {
    delete process.env['ALL_PROXY'];
    Object.assign(process.env, before);
  });
  return { ALL_PROXY: proxy };
}

async function startRelay(port: number): Promise<TcpRelay> {
  const relay = await TcpRelay.start({ port });
  cleanups.push(() => relay.stop());
  return relay;
}

function open(
  mode: SessionMode,
  { meter, origin, dialer }: Pick<Awaited<ReturnType<typeof startRoad>>, 'meter' | 'dialer' | 'origin'>,
) {
  let onReady: () => void = () => {};
  let onFrame: (kind: string) => void = () => {};
  let onEnd: () => void = () => {};
  const ready = new Promise<void>((resolve) => (onReady = resolve));
  const ended = new Promise<void>((resolve) => (onEnd = resolve));
  const frame = new Promise<string>((resolve) => (onFrame = resolve));
  const connection: SessionConnection = createConnect({
    dialer,
    meter,
    clock: systemClock,
    logger: silentLogger,
    random: () => 0.5,
  })(
    {
      ...{ gateway: origin, otherGateways: [], mode, token: 'token', intervalMs: 1_000, openTimeoutMs: 5_000 },
      hello: () => HELLO,
    },
    { onReady, onFrame: ({ kind }) => onFrame(kind), onWritable: () => {}, onEnd },
  );
  return { connection, ready, ended, frame };
}

const ROADS = [
  ['TLS', true, 'none'],
  ['no TLS', false, 'none'],
  ['TLS through a proxy', true, 'http'],
  ['no TLS through a proxy', false, 'http'],
  ['TLS through a proxy with TLS', true, 'https'],
] as const;

describe.each(['live', 'poll'] as const)('bytes of a %s session', (mode) => {
  test.each(ROADS)(
    '%s: to the byte what a relay counts, while it is open and when it is closed',
    async (_, tls, proxy) => {
      const road = await startRoad(tls, proxy);
      const { gateway, meter, relay } = road;
      const { connection, ended, frame, ready } = open(mode, road);
      const session = await gateway.next();
      await session.welcome();
      await ready;
      await untilEqual(meter, relay);

      session.query(7, { sql: 'SELECT 1', columns: ['1'] });
      expect(await frame).toBe('query');
      const rows = randomBytes(100_000);
      expect(connection.send(FRAME.rows, 7, rows)).toBe('sent');
      expect(connection.send(FRAME.report, 0, encodeBody('report', REPORT))).toBe('sent');
      while (frameBytes(meter, 'command').out === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      await untilEqual(meter, relay);
      const before = totals(meter);
      const query = frameBytes(meter, 'query');
      expect(query.out).toBeGreaterThanOrEqual(mode === 'live' ? 100_000 + HEADER_BYTES + 14 : 100_000);
      expect(query.out).toBeLessThan(100_100);
      expect(query.in).toBeGreaterThan(HEADER_BYTES);
      expect(frameBytes(meter, 'command').out).toBeGreaterThan(HEADER_BYTES);
      expect(frameBytes(meter, 'session').out).toBeGreaterThan(HELLO.proof.length);

      connection.close('normal', 'test');
      await ended;
      await untilEqual(meter, relay);
      expect(totals(meter).out).toBeGreaterThan(before.out);
      expect(meter.read().every(({ channel, connections }) => channel === mode && connections === 1)).toBe(true);
    },
  );
});

const REPORT = { id: 'c', number: 1, state: 'received' } as never;

test('a connection that is cut keeps its bytes, and one that never opened has none', async () => {
  const road = await startRoad(true, 'none');
  const { connection, ended, ready } = open('live', road);
  const session = await road.gateway.nextLive();
  await session.welcome();
  await ready;
  await untilEqual(road.meter, road.relay);
  session.socket.terminate();
  await ended;
  expect(connection.state).toBe('closed');
  await untilEqual(road.meter, road.relay);
  const before = road.meter.read();

  const nobody = createServer();
  await new Promise<void>((resolve) => nobody.listen(0, '127.0.0.1', resolve));
  const { port } = nobody.address() as { port: number };
  await new Promise((resolve) => nobody.close(resolve));
  await open('live', { ...road, origin: `wss://127.0.0.1:${port}` }).ended;
  expect(road.meter.read()).toEqual(before);
});

test('sockets that are opened for something else are not counted', async () => {
  const road = await startRoad(true, 'none');
  const { connect } = await import('node:net');
  const other: Socket = connect(road.relay.port, '127.0.0.1');
  await new Promise((resolve) => other.once('connect', resolve));
  other.end('some bytes');
  await new Promise((resolve) => other.once('close', resolve));
  expect(road.meter.read()).toEqual([]);
});

test('the time of two sessions that overlap counts once', () => {
  const clock = new FakeClock();
  const meter = new TrafficMeter(clock);
  const [first, second] = [meter.session('live'), meter.session('live')];
  first.sent('session', 1);
  second.end();
  first.ready();
  clock.advance(10_000);
  second.ready();
  clock.advance(1_000);
  first.end();
  first.end();
  clock.advance(10_000);
  expect(meter.read()[0]).toMatchObject({ purpose: 'session', bytesOut: 1, seconds: 21 });
  second.end();
  clock.advance(10_000);
  expect(meter.read()[0]?.seconds).toBe(21);
});
