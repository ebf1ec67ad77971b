import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ensureCertificates, type StackOptions } from '@muster/local';
import { CLOSE } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import { DocumentAgent } from '../kit/document-agent.js';
import { startHaproxy } from '../kit/haproxy.js';
import { startHarness, type Harness } from '../kit/harness.js';

type AtEnd = <T extends { close(): Promise<unknown> } | { stop(): Promise<unknown> }>(started: T) => T;

/** Runs a test with a stack of its own, which ends with it: they mostly wait for health checks, so they run concurrently. */
const withEnd = (run: (atEnd: AtEnd) => Promise<void>) => async (): Promise<void> => {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    await run((started) => {
      ends.unshift(() => ('close' in started ? started.close() : started.stop()));
      return started;
    });
  } finally {
    for (const end of ends) await end();
  }
};

async function openGateways(atEnd: AtEnd, options: Partial<StackOptions>): Promise<[Harness, [string, string]]> {
  const harness = atEnd(await startHarness({ gateways: 2, ...options }));
  const hosts = harness.stack.gateways.map(({ url }) => new URL(url).host);
  return [harness, [hosts[0]!, hosts[1]!]];
}

function statusOf(address: string, path: string, ca: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(`https://${address}${path}`, { ca, agent: false }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end();
  });
}

describe('the shipped HAProxy configurations', () => {
  test.concurrent(
    'TLS passthrough: an agent enrols and connects, and trusts the gateways’ certificates',
    withEnd(async (atEnd) => {
      const [{ stack }, hosts] = await openGateways(atEnd, { tls: true });
      const { address } = atEnd(await startHaproxy(hosts, 'haproxy-passthrough.cfg'));
      await stack.addAgent({ gatewayUrl: `wss://${address}` });
      const { caPath, serverTls, folder } = stack;
      const ca = await readFile(caPath!, 'utf8');
      expect(await statusOf(address, '/v1/live', ca)).toBe(426);
      // Another authority's certificate, without a restart.
      const next = await ensureCertificates(join(folder, 'next-tls'));
      await copyFile(next.keyPath, serverTls!.keyPath);
      await copyFile(next.certPath, serverTls!.certPath);
      const nextCa = await readFile(next.caPath, 'utf8');
      await eventually(async () => (await statusOf(address, '/v1/live', nextCa)) === 426, 'the next certificate');
    }),
  );

  test.concurrent(
    'TLS terminated at the proxy: an agent enrols and connects, and health endpoints are not reachable from outside',
    withEnd(async (atEnd) => {
      const folder = await mkdtemp(join(tmpdir(), 'muster-haproxy-'));
      atEnd({ stop: () => rm(folder, { recursive: true, force: true }) });
      const { caPath, certPath, keyPath } = await ensureCertificates(folder);
      const pem = join(folder, 'both.pem');
      await writeFile(pem, (await readFile(certPath, 'utf8')) + (await readFile(keyPath, 'utf8')), { mode: 0o600 });
      const env = { gateway: { MUSTER_TRUSTED_PROXIES: '127.0.0.1' } };
      const [{ stack }, hosts] = await openGateways(atEnd, { tls: false, env });
      const { address } = atEnd(await startHaproxy(hosts, 'haproxy.cfg', `ssl crt ${pem} alpn http/1.1`));
      await stack.addAgent({ gatewayUrl: `wss://${address}`, env: { MUSTER_GATEWAY_CA: caPath } });
      const ca = await readFile(caPath, 'utf8');
      expect(await statusOf(address, '/v1/live', ca)).toBe(426);
      for (const path of ['/readyz', '/healthz', '/metrics']) {
        expect([path, await statusOf(address, path, ca)]).toEqual([path, 404]);
      }
    }),
  );

  test.concurrent(
    'a draining gateway gets no new sessions and keeps its old ones; a frozen one loses them',
    withEnd(async (atEnd) => {
      const [one, two] = [atEnd(new StandInGateway()), atEnd(new StandInGateway())];
      const { address } = atEnd(await startHaproxy([await one.start(), await two.start()]));
      // By `leastconn` the second session goes to the other gateway.
      const sessions = [await openSession(address), await openSession(address)];
      expect([one.sessions, two.sessions]).toEqual([1, 1]);

      one.readiness = 'leaving';
      await one.checked();
      for (let i = 0; i < 4; i += 1) sessions.push(await openSession(address));
      expect([one.sessions, two.sessions]).toEqual([1, 5]);

      one.readiness = 'frozen';
      await one.lostAll;
      // The clients see it a moment later.
      if (!sessions.some(({ destroyed }) => destroyed)) {
        await Promise.race(sessions.map((session) => once(session, 'close')));
      }
      expect(sessions.filter(({ destroyed }) => destroyed)).toHaveLength(1);
    }),
  );
});

describe.each(['uws', 'ws'])('a gateway that drains behind HAProxy, over %s', (transport) => {
  test.concurrent(
    'keeps its sessions until it ends them itself; nothing new comes to it',
    withEnd(async (atEnd) => {
      const settings = {
        MUSTER_STOP_TIMEOUT: '17s',
        MUSTER_GATEWAY_DRAIN_SPREAD: '6s',
        MUSTER_GATEWAY_DRAIN_GRACE: '1s',
      };
      const env = { gateway: { MUSTER_GATEWAY_TRANSPORT: transport, ...settings } };
      const [{ stack }, hosts] = await openGateways(atEnd, { env });
      const { address } = atEnd(await startHaproxy(hosts));
      const { org, enrollSecret, gateways } = stack;
      const open = async () => {
        const agent = new DocumentAgent();
        await agent.enrol(address, org, enrollSecret);
        return agent.open(address, 'live');
      };
      const sessions = [await open(), await open()];
      gateways[0]!.signal('SIGTERM');
      const [leaving] = await eventually(() => {
        const asked = sessions.filter(({ wasAskedToMove }) => wasAskedToMove);
        return asked.length > 0 && asked;
      }, 'the gateway asks its session to move');
      // As soon as HAProxy has checked the gateway once more.
      sessions.push(await eventually(() => open()));
      await eventually(() => leaving!.closeCode, 'the end of the session');
      // 1006 would be a connection that was cut.
      expect(leaving!.closeCode).toBe(CLOSE.goingAway.code);
      expect(sessions.filter(({ closeCode }) => closeCode !== undefined)).toEqual([leaving]);
      for (const session of sessions) session.leave();
    }),
  );
});

// The example of RFC 6455, 1.3: HAProxy checks both headers.
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=';

/** Answers HTTP as a gateway does: readiness, and upgrades that stay open. */
class StandInGateway {
  readiness: 'ready' | 'leaving' | 'frozen' = 'ready';
  sessions = 0;
  readonly lostAll: Promise<void>;
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #onChecked: () => void = () => undefined;

  constructor() {
    this.#server = createServer((_, response) => {
      if (this.readiness === 'frozen') return;
      response.writeHead(this.readiness === 'ready' ? 200 : 503).end();
      this.#onChecked();
    });
    this.lostAll = new Promise((resolve) => {
      this.#server.on('upgrade', (_, socket: Socket) => {
        this.sessions += 1;
        this.#sockets.push(socket);
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${ACCEPT}\r\n\r\n`,
        );
        // Sockets of an HTTP server stay half open unless they are ended.
        socket
          .on('error', () => undefined)
          .on('end', () => socket.destroy())
          .resume();
        socket.on('close', () => {
          this.sessions -= 1;
          if (this.sessions === 0) resolve();
        });
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => void this.#server.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when the second health check from now is answered: HAProxy has then processed the first answer. */
  async checked(): Promise<void> {
    for (let i = 0; i < 2; i += 1) await new Promise<void>((resolve) => (this.#onChecked = resolve));
  }

  stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    return new Promise((resolve) => void this.#server.close(() => resolve()));
  }
}

function openSession(address: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const headers = {
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': KEY,
      'sec-websocket-version': '13',
    };
    httpRequest(`http://${address}/v1/live`, { headers, agent: false })
      .on('upgrade', (_, socket) => resolve(socket.on('error', () => undefined).resume()))
      .on('response', ({ statusCode }) => reject(new Error(`status ${statusCode}`)))
      .on('error', reject)
      .end();
  });
}
