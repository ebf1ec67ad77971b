import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, request, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { OTHER_CA, TEST_CA, TEST_CERTIFICATE, TEST_KEY } from '../testing/tls-fixture.js';
import { openDialer } from './dialer.js';

let folder: string;
let server: Server;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-tls-'));
  server = await start(0);
});
afterEach(async () => {
  await stop(server);
  rmSync(folder, { recursive: true, force: true });
});

async function start(port: number): Promise<Server> {
  const started = createServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, ({ socket }, response) =>
    response.end(String((socket as TLSSocket).isSessionReused())),
  );
  started.listen(port, '127.0.0.1');
  await once(started, 'listening');
  return started;
}

async function stop(started: Server): Promise<void> {
  started.closeAllConnections();
  started.close();
  await once(started, 'close');
}

const portOf = (started: Server): number => (started.address() as AddressInfo).port;

async function dialerWith(ca: string) {
  const gatewayCaFile = join(folder, 'ca.pem');
  writeFileSync(gatewayCaFile, ca);
  return await openDialer({ gatewayUrls: [`wss://127.0.0.1:${portOf(server)}`], gatewayCaFile }, {});
}

type Dialer = Awaited<ReturnType<typeof dialerWith>>;

/** Whether the server was shown a session that it knows. */
async function ask(dialer: Dialer, port = portOf(server)): Promise<boolean> {
  const url = `https://127.0.0.1:${port}`;
  const asked = request(url, { agent: dialer.agentFor(url, 'live'), ca: dialer.ca });
  asked.end();
  const [response] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
  let text = '';
  for await (const part of response) text += String(part);
  return text === 'true';
}

test('who connects again shows the session that it had', async () => {
  const dialer = await dialerWith(TEST_CA);
  expect([await ask(dialer), await ask(dialer), await ask(dialer)]).toEqual([false, true, true]);
});

test('a gateway that started again knows none of them, and is proved anew', async () => {
  const dialer = await dialerWith(TEST_CA);
  await ask(dialer);
  const port = portOf(server);
  await stop(server);
  server = await start(port);
  expect([await ask(dialer), await ask(dialer)]).toEqual([false, true]);
});

test('a session of one gateway is not shown to another, and none is had from one that is not trusted', async () => {
  const dialer = await dialerWith(TEST_CA);
  await ask(dialer);
  const other = await start(0);
  expect(await ask(dialer, portOf(other))).toBe(false);
  await stop(other);
  const distrustful = await dialerWith(OTHER_CA);
  for (const _ of [1, 2]) await expect(ask(distrustful)).rejects.toThrow(/certificate/);
});
