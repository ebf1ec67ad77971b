import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { Agent, get } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { WebSocket } from 'ws';
import { CONTRACT_OPTIONS, Recorder } from './recorder.contract.js';
import type { Transport, TransportHandlers, TransportOptions } from './transport.js';

const MIB = 1024 * 1024;
const PIECE_BYTES = 32 * 1024;
const CONNECTIONS = 3;
const MESSAGE_BYTES = 60_000;
/** Twenty answers of 4 MB. */
const MESSAGES = Math.ceil((20 * 4 * MIB) / MESSAGE_BYTES / CONNECTIONS);

/** Hands on what a client sends byte by byte; a server in this process reads each alone. */
async function bytewise(client: Socket, server: Socket): Promise<void> {
  server.setNoDelay(true);
  server.pipe(client);
  for (const socket of [client, server]) socket.on('error', () => client.destroy());
  for await (const bytes of client as AsyncIterable<Buffer>) {
    for (const byte of bytes) {
      server.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  server.destroy();
}

/** What a peer sends at once arrives whole over TLS, whatever is written meanwhile, to it and to others. */
export function burstContract(
  name: string,
  make: (options: TransportOptions, handlers: TransportHandlers<string>) => Promise<Transport>,
): void {
  describe(`${name} transport over TLS`, () => {
    let folder: string;
    let tls: { certFile: string; keyFile: string };
    let ca: string;
    let stop: () => void = () => undefined;
    const sockets: WebSocket[] = [];

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'muster-bursts-'));
      const { certPath, keyPath, caPath } = await ensureCertificates(folder);
      tls = { certFile: certPath, keyFile: keyPath };
      ca = await readFile(caPath, 'utf8');
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));
    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.terminate();
      stop();
    });

    async function listen() {
      const recorder = new Recorder();
      const transport = await make({ ...CONTRACT_OPTIONS, tls, backpressureBytes: 16 * MIB }, recorder);
      stop = () => transport.stop();
      return { recorder, port: await transport.listen() };
    }

    async function connect(port: number): Promise<{ socket: WebSocket; closed: Promise<never> }> {
      const socket = new WebSocket(`wss://127.0.0.1:${port}/live`, 'muster.v1', { ca });
      sockets.push(socket);
      await once(socket, 'open');
      const closed = new Promise<never>((_, reject) => {
        socket.once('close', (code) => reject(new Error(`closed with ${code}`)));
        socket.once('error', reject);
      });
      closed.catch(() => undefined);
      return { socket, closed };
    }

    it('reads a request of which TCP brings one byte at a time', async () => {
      const { recorder, port } = await listen();
      const relay = createServer((client) => void bytewise(client, connectTcp(port, '127.0.0.1'))).listen(
        0,
        '127.0.0.1',
      );
      await once(relay, 'listening');
      const there = { host: '127.0.0.1', port: (relay.address() as AddressInfo).port };
      const [response] = (await once(get({ ...there, path: '/x', agent: false, ca }), 'response')) as [IncomingMessage];
      response.resume();
      relay.close();
      expect([response.statusCode, recorder.requests.map(({ path }) => path)]).toEqual([201, ['/x']]);
    });

    it('serves the next certificate from its files to new connections, keeps open ones, and the old one where the files are wrong', async () => {
      const recorder = new Recorder();
      const own = await mkdtemp(join(folder, 'own-'));
      const [certFile, keyFile] = [join(own, 'tls.crt'), join(own, 'tls.key')];
      await Promise.all([copyFile(tls.certFile, certFile), copyFile(tls.keyFile, keyFile)]);
      const transport = await make({ ...CONTRACT_OPTIONS, tls: { certFile, keyFile } }, recorder);
      stop = () => transport.stop();
      const port = await transport.listen();
      const { socket, closed } = await connect(port);
      const trusts = (authority: string): Promise<boolean> =>
        new Promise((resolve) => {
          get({ host: '127.0.0.1', port, path: '/x', agent: false, ca: authority }, (response) => {
            response.resume().on('end', () => resolve(true));
          }).on('error', () => resolve(false));
        });
      const next = await ensureCertificates(await mkdtemp(join(folder, 'next-')));
      const nextCa = await readFile(next.caPath, 'utf8');

      await copyFile(next.certPath, certFile);
      await expect(transport.renewCertificate()).rejects.toThrow(/./);
      expect([await trusts(ca), await trusts(nextCa)]).toEqual([true, false]);
      await copyFile(next.keyPath, keyFile);
      await transport.renewCertificate();
      // More than once: no listener with the former one is left.
      for (let i = 0; i < 20; i += 1) expect([await trusts(ca), await trusts(nextCa)]).toEqual([false, true]);

      socket.send(Buffer.from('still here'));
      const [data] = (await Promise.race([once(socket, 'message'), closed])) as [Buffer];
      expect(data.toString()).toBe('still here');
      transport.stopListening();
      expect(await trusts(nextCa)).toBe(false);
    });

    it('takes 8 MiB with a ping after each 32 KiB, and answers each ping', async () => {
      const { recorder, port } = await listen();
      let bytes = 0;
      recorder.onMessage = (_connection, data) => void (bytes += data.length);
      const { socket, closed } = await connect(port);
      let pongs = 0;
      socket.on('pong', () => void (pongs += 1));
      const pieces = (8 * MIB) / PIECE_BYTES;
      for (let i = 0; i < pieces; i += 1) {
        socket.send(Buffer.alloc(PIECE_BYTES, i));
        socket.ping();
      }
      const all = (async () => {
        await recorder.until(() => bytes === 8 * MIB);
        while (pongs < pieces) await once(socket, 'pong');
      })();
      await Promise.race([all, closed]);
      expect([bytes, pongs]).toEqual([8 * MIB, pieces]);
    });

    it('takes answers of several agents at once, while it sends to all of them and answers requests', async () => {
      const { recorder, port } = await listen();
      const received = new Map<unknown, number>();
      let inOrder = true;
      recorder.onMessage = (connection, data) => {
        const number = received.get(connection) ?? 0;
        inOrder &&= data.length === MESSAGE_BYTES && Buffer.from(data).readUInt32BE() === number;
        received.set(connection, number + 1);
        // What an answer brings about, and a command to another agent.
        connection.send(Buffer.alloc(16));
        recorder.open[number % CONNECTIONS]?.send(Buffer.alloc(512));
      };
      const agents = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect(port)));
      const total = MESSAGES * CONNECTIONS;
      let replies = 0;
      const replied = new Promise<void>((resolve) => {
        for (const { socket } of agents) socket.on('message', () => (replies += 1) === 2 * total && resolve());
      });
      for (let number = 0; number < MESSAGES; number += 1) {
        const message = Buffer.alloc(MESSAGE_BYTES, 7);
        message.writeUInt32BE(number);
        for (const { socket } of agents) socket.send(message);
      }
      const count = (): number => [...received.values()].reduce((sum, n) => sum + n, 0);
      const agent = new Agent({ ca, keepAlive: true });
      let requests = 0;
      const asking = (async () => {
        while (count() < total) {
          const [response] = (await once(get({ host: '127.0.0.1', port, path: '/x', agent }), 'response')) as [
            IncomingMessage,
          ];
          response.resume();
          await once(response, 'end');
          requests += 1;
        }
      })();
      await Promise.race([Promise.all([replied, asking]), ...agents.map(({ closed }) => closed)]);
      agent.destroy();
      expect([count(), inOrder, replies, requests > 0]).toEqual([total, true, 2 * total, true]);
    });
  });
}
