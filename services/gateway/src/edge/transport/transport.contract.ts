import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage, type RequestOptions } from 'node:http';
import { trustedProxies } from '@muster/runtime';
import { WebSocket } from 'ws';
import { BODY_BYTES, CONTRACT_OPTIONS, Recorder } from './recorder.contract.js';
import type { Transport, TransportHandlers, TransportOptions, UpgradeRequest } from './transport.js';

/** What a transport refuses by itself. */
const OWN_REFUSALS = new Set([413, 426, 500]);

const UPGRADE = {
  connection: 'upgrade',
  upgrade: 'websocket',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 'muster.v1',
};

/** The head of the answer to a request, an upgrade that is refused among them. */
async function answerTo(port: number, { body, ...options }: RequestOptions & { body?: string }) {
  const sent = request({ host: '127.0.0.1', port, agent: false, ...options });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.resume();
  return response;
}

/** What every transport promises; run against each of them. */
export function transportContract(
  name: string,
  make: (options: TransportOptions, handlers: TransportHandlers<string>) => Promise<Transport>,
): void {
  describe(`${name} transport`, () => {
    let stop: () => void = () => undefined;
    afterEach(() => stop());

    async function listen(options: Partial<TransportOptions> = {}) {
      const recorder = new Recorder();
      const transport = await make({ ...CONTRACT_OPTIONS, ...options }, recorder);
      stop = () => transport.stop();
      const port = await transport.listen();
      return { recorder, transport, port };
    }

    async function connect(port: number, path = '/live', options: { headers?: Record<string, string> } = {}) {
      const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, 'muster.v1', options);
      await once(socket, 'open');
      return socket;
    }

    it('refuses an upgrade with the status, headers and body that were decided', async () => {
      const { port } = await listen();
      const socket = new WebSocket(`ws://127.0.0.1:${port}/refuse`, 'muster.v1');
      socket.on('error', () => undefined);
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
      expect(response.statusCode).toBe(401);
      expect(response.headers['www-authenticate']).toBe('Bearer');
      const body = Buffer.concat((await response.toArray()) as Buffer[]).toString();
      expect(body).toBe('{"status":401}');
    });

    it('answers 500 when the decision on an upgrade fails', async () => {
      const { port } = await listen();
      const socket = new WebSocket(`ws://127.0.0.1:${port}/broken`, 'muster.v1');
      socket.on('error', () => undefined);
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
      expect(response.statusCode).toBe(500);
      response.resume();
    });

    it('sends Date once in every reply, whatever became of the request', async () => {
      const { port } = await listen();
      const statuses: number[] = [];
      const requests = [
        { path: '/v1/enroll' },
        { path: '/v1/enroll', method: 'POST', body: 'x'.repeat(BODY_BYTES + 1) },
        { path: '/refuse', headers: UPGRADE },
        { path: '/broken', headers: UPGRADE },
        { path: '/live', headers: { ...UPGRADE, 'sec-websocket-version': '12' } },
      ];
      for (const asked of requests) {
        const { statusCode, headersDistinct } = await answerTo(port, asked);
        statuses.push(statusCode ?? 0);
        if (OWN_REFUSALS.has(statusCode ?? 0))
          expect(headersDistinct['content-type']).toEqual(['application/problem+json']);
        expect(headersDistinct['date']).toHaveLength(1);
        const told = headersDistinct['date']?.[0] ?? '';
        expect(new Date(told).toUTCString()).toBe(told);
        expect(Math.abs(Date.parse(told) - Date.now())).toBeLessThan(5_000);
      }
      expect(statuses).toEqual([201, 413, 401, 500, 426]);
    });

    it('hands over what the upgrade asked for, and the context to the connection', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port, '/live?x=1', { headers: { authorization: 'Bearer abc' } });
      await recorder.until(() => recorder.events.length === 1);
      expect(recorder.upgrades).toEqual([
        { path: '/live', address: '127.0.0.1', protocols: ['muster.v1'], authorization: 'Bearer abc' },
      ]);
      expect(recorder.events).toEqual(['open context /live']);
      expect(socket.protocol).toBe('muster.v1');
    });

    it('carries messages both ways in order, binary and text told apart', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port);
      const echoes: number[] = [];
      socket.on('message', (data: Buffer) => echoes.push(data.length));
      for (let size = 1; size <= 200; size += 1) socket.send(Buffer.alloc(size));
      socket.send('text');
      await recorder.until(() => recorder.events.length === 202);
      while (echoes.length < 201) await once(socket, 'message');
      expect(echoes.slice(0, 200)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
      expect(recorder.events.at(-1)).toBe('message 4 text');
    });

    it('puts fragments together, also when they come one byte at a time', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port);
      for (let i = 0; i < 500; i += 1) socket.send(Buffer.from([i]), { fin: i === 499, binary: true });
      const [data] = (await once(socket, 'message')) as [Buffer];
      expect(data).toEqual(Buffer.from(Array.from({ length: 500 }, (_, i) => i)));
      expect(recorder.events.filter((event) => event.startsWith('message'))).toEqual(['message 500 binary']);
    });

    it('sends an empty message as a heartbeat', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port);
      await recorder.until(() => recorder.open.length === 1);
      const heard = once(socket, 'message');
      recorder.open[0]?.beat?.();
      expect(await heard).toEqual([Buffer.alloc(0), true]);
    });

    it('reports pings and pongs, and answers pings by itself', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port);
      await recorder.until(() => recorder.open.length === 1);
      const asked = once(socket, 'ping');
      recorder.open[0]?.ping(Buffer.from('still there?'));
      expect(String((await asked)[0])).toBe('still there?');
      const answered = once(socket, 'pong');
      socket.ping('and you?');
      expect(String((await answered)[0])).toBe('and you?');
      await recorder.until(() => recorder.events.length === 3);
      expect(recorder.events).toEqual(['open context /live', 'pong still there?', 'ping']);
    });

    it.each([
      ['no key', { 'sec-websocket-key': undefined }, 400],
      ['a key of fifteen bytes', { 'sec-websocket-key': Buffer.alloc(15).toString('base64') }, 400],
      ['a key that is no base64', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZ===' }, 400],
      ['another version', { 'sec-websocket-version': '8' }, 426],
      ['no version', { 'sec-websocket-version': undefined }, 426],
    ])('refuses a handshake with %s', async (_what, change, status) => {
      const { port, recorder } = await listen();
      const headers = Object.fromEntries(Object.entries({ ...UPGRADE, ...change }).filter(([, value]) => value));
      const { statusCode, headers: reply } = await answerTo(port, { path: '/live', headers });
      expect([statusCode, reply['sec-websocket-version']]).toEqual([status, status === 426 ? '13' : undefined]);
      expect(recorder.upgrades).toEqual([]);
    });

    it('treats a request with a key but without an upgrade as a usual one', async () => {
      const { port, recorder } = await listen();
      const { 'sec-websocket-key': key, 'sec-websocket-version': version } = UPGRADE;
      const headers = { 'sec-websocket-key': key, 'sec-websocket-version': version };
      expect((await answerTo(port, { path: '/live', headers })).statusCode).toBe(201);
      expect([recorder.upgrades.length, recorder.requests.length]).toEqual([0, 1]);
    });

    it('ends a connection whose message is over the limit', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port);
      socket.on('error', () => undefined);
      socket.send(Buffer.alloc(CONTRACT_OPTIONS.frameBytes + 1));
      await once(socket, 'close');
      await recorder.until(() => recorder.events.includes('closed'));
      expect(recorder.events.filter((event) => event.startsWith('message'))).toEqual([]);
    });

    it('closes with a code and reason, and reports the close once', async () => {
      const { port, recorder } = await listen();
      const socket = await connect(port);
      recorder.onMessage = (connection) => {
        connection.close(4500, 'unauthenticated');
        connection.close(4501, 'again');
      };
      socket.send(Buffer.alloc(1));
      const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
      expect([code, reason.toString()]).toEqual([4500, 'unauthenticated']);
      await recorder.until(() => recorder.events.includes('closed'));
      expect(recorder.open[0]?.send(Buffer.alloc(1))).toBe('closed');
      expect(recorder.events.filter((event) => event === 'closed')).toHaveLength(1);
    });

    it("tells of the client's close, and of a connection that was cut", async () => {
      const { port, recorder } = await listen();
      const orderly = await connect(port);
      const cut = await connect(port);
      orderly.close(1000);
      await recorder.until(() => recorder.closedCodes.length === 1);
      cut.terminate();
      await recorder.until(() => recorder.closedCodes.length === 2);
      expect(recorder.closedCodes).toEqual([1000, 1006]);
    });

    it('answers requests that are no upgrade, and refuses large bodies with 413', async () => {
      const { port, recorder } = await listen();
      const url = `http://127.0.0.1:${port}/v1/enroll`;
      const reply = await fetch(url, {
        method: 'POST',
        body: 'x'.repeat(10_000),
        headers: { 'content-type': 'application/json' },
      });
      expect([reply.status, await reply.text(), reply.headers.get('content-type')]).toEqual([
        201,
        '10000 bytes',
        'text/plain',
      ]);
      expect(recorder.requests[0]).toMatchObject({
        method: 'POST',
        path: '/v1/enroll',
        headers: { 'content-type': 'application/json' },
      });
      const tooLarge = await fetch(url, { method: 'POST', body: 'x'.repeat(BODY_BYTES + 1) }).then(
        ({ status }) => status,
        // The connection may be cut while the rest of the body is still being sent.
        () => 413,
      );
      expect(tooLarge).toBe(413);
      expect(recorder.requests).toHaveLength(1);
    });

    it('ends a peer that does not read when its buffer is full, and no other one', async () => {
      const { port, recorder } = await listen();
      const slow = await connect(port, '/slow');
      const quick = await connect(port, '/quick');
      await recorder.until(() => recorder.open.length === 2);
      slow.pause();
      slow.on('error', () => undefined);
      const flood = (async () => {
        const frame = Buffer.alloc(32 * 1024);
        while (recorder.open[0]?.send(frame) === 'sent') await new Promise((resolve) => setImmediate(resolve));
      })();
      quick.send(Buffer.from('hello'));
      const [data] = (await once(quick, 'message')) as [Buffer];
      expect(data.toString()).toBe('hello');
      await flood;
      await recorder.until(() => recorder.events.includes('closed'));
      slow.terminate();
    });

    it('ends a connection that sends nothing for too long', async () => {
      const { port, recorder } = await listen({ silenceMs: 8_000 });
      const socket = await connect(port);
      socket.on('error', () => undefined);
      await recorder.until(() => recorder.events.includes('closed'));
      expect(recorder.closedCodes).toEqual([1006]);
    });

    it('believes X-Forwarded-For from trusted proxies only', async () => {
      const headers = { 'x-forwarded-for': '10.1.1.1, 192.0.2.7, 127.0.0.1' };
      const trusting = await listen({ trustedProxies: trustedProxies(['127.0.0.0/8']) });
      await connect(trusting.port, '/live', { headers });
      expect(trusting.recorder.upgrades[0]?.address).toBe('192.0.2.7');
      stop();
      const wary = await listen();
      await connect(wary.port, '/live', { headers });
      expect(wary.recorder.upgrades[0]?.address).toBe('127.0.0.1');
    });

    it('ends the connection of a request, and of a refused upgrade, where the reply says so, and keeps sessions', async () => {
      const recorder = new Recorder();
      const close = { status: 503, headers: { connection: 'close', 'retry-after': '1' }, body: '{}' };
      const handlers = {
        connections: recorder,
        http: () => Promise.resolve(close),
        upgrade: (request: UpgradeRequest) =>
          request.path === '/held'
            ? recorder.upgrade(request)
            : Promise.resolve({ kind: 'refuse', reply: close } as const),
      };
      const transport = await make(CONTRACT_OPTIONS, handlers);
      stop = () => transport.stop();
      const port = await transport.listen();
      const session = await connect(port, '/held');
      const agent = new Agent({ keepAlive: true });
      for (const headers of [{}, UPGRADE]) {
        const sent = request({ host: '127.0.0.1', port, agent, path: '/live', headers });
        sent.end();
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        const { socket } = response;
        response.resume();
        expect([response.statusCode, response.headers.connection, response.headers['retry-after']]).toEqual([
          503,
          'close',
          '1',
        ]);
        if (!socket.destroyed) await once(socket, 'close');
      }
      agent.destroy();
      session.send(Buffer.from('still here'));
      const [data] = (await once(session, 'message')) as [Buffer];
      expect(data.toString()).toBe('still here');
    });

    it('takes no new connections after it stopped listening, and keeps those it has', async () => {
      const { port, recorder, transport } = await listen();
      const socket = await connect(port);
      await recorder.until(() => recorder.open.length === 1);
      transport.stopListening();
      await expect(connect(port)).rejects.toThrow(/ECONNREFUSED/);
      socket.send(Buffer.from('still here'));
      const [data] = (await once(socket, 'message')) as [Buffer];
      expect(data.toString()).toBe('still here');
    });
  });
}
