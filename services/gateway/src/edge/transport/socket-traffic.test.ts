import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { request as requestPlain, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { encodeFrame, FRAME, type ByteCounts } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime';
import { TcpRelay } from '@muster/testkit';
import { WebSocket } from 'ws';
import type { Connection } from '../../foundation/connection.js';
import { chooseTransport } from './choose-transport.js';
import { CONTRACT_OPTIONS } from './recorder.contract.js';
import type { TransportHandlers } from './transport.js';
import { GatewayTraffic } from '../../traffic/gateway-traffic.js';

/** The FIN that is expected behind the gateway's own, and is not counted when the peer sends it late. */
const LATE_FIN = 1;
/** Under TLS 1.3, with the close_notify before it. */
const LATE_ALERT = 24 + LATE_FIN;

/** Echoes messages; a message of one byte is answered with a close frame. */
function echo(): TransportHandlers<string> & { readonly open: Set<Connection> } {
  const open = new Set<Connection>();
  return {
    open,
    upgrade: ({ path }) =>
      Promise.resolve(
        path === '/refuse'
          ? { kind: 'refuse', reply: { status: 401, headers: {}, body: 'no' } }
          : { kind: 'accept', protocol: 'muster.v1', context: '' },
      ),
    connections: {
      opened: (connection) => void open.add(connection),
      received: (connection, data) => {
        if (data.length === 1) connection.close(4000, 'draining');
        else connection.send(data.slice());
      },
      pinged: () => undefined,
      ponged: () => undefined,
      closed: (connection) => void open.delete(connection),
    },
    http: ({ body }) => Promise.resolve({ status: 200, headers: {}, body: 'x'.repeat(body.length) }),
  };
}

let folder: string;
let certificates: Awaited<ReturnType<typeof ensureCertificates>>;
let ca: string;
const stops: (() => void | Promise<void>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-traffic-'));
  certificates = await ensureCertificates(folder);
  ca = await readFile(certificates.caPath, 'utf8');
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

for (const kind of ['uws', 'ws'] as const) {
  for (const secure of [false, true]) {
    describe(`${kind} over ${secure ? 'TLS' : 'TCP'}`, () => {
      async function start() {
        const traffic = new GatewayTraffic({ clock: systemClock, logger: silentLogger, freshMs: 0 });
        const handlers = echo();
        const tls = secure ? { tls: { certFile: certificates.certPath, keyFile: certificates.keyPath } } : {};
        const options = { ...CONTRACT_OPTIONS, ...tls, traffic: traffic.frames.live };
        const transport = await chooseTransport(kind, options, { handlers, logger: silentLogger });
        const port = await transport.listen();
        await traffic.watch(transport, port);
        const relay = await TcpRelay.start({ port });
        stops.push(
          () => traffic.stop(),
          () => transport.stop(),
          () => relay.stop(),
        );
        return { traffic, relay, handlers, transport };
      }

      async function open({ port }: TcpRelay): Promise<WebSocket> {
        const socket = new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${port}/live`, 'muster.v1', { ca });
        await once(socket, 'open');
        return socket;
      }

      async function echoed(socket: WebSocket, bytes: number): Promise<void> {
        socket.send(encodeFrame(FRAME.rows, 1, Buffer.alloc(bytes)));
        await once(socket, 'message');
      }

      async function posted({ port }: TcpRelay, bytes: number): Promise<void> {
        const ask = secure ? request : requestPlain;
        const sent = ask({ host: '127.0.0.1', port, method: 'POST', path: '/v1/enroll', agent: false, ca });
        sent.end(Buffer.alloc(bytes));
        const [response] = (await once(sent, 'response')) as [IncomingMessage];
        response.resume();
        await once(response, 'close');
      }

      async function refused({ port }: TcpRelay): Promise<void> {
        const socket = new WebSocket(`${secure ? 'wss' : 'ws'}://127.0.0.1:${port}/refuse`, 'muster.v1', { ca });
        socket.on('error', () => undefined);
        await new Promise((resolve) => socket.once('close', resolve));
      }

      /** Looks until both say the same; the last words of a connection may be on their way. */
      async function bothAgree(traffic: GatewayTraffic, relay: TcpRelay, late = 0): Promise<ByteCounts> {
        const untilMs = performance.now() + 10_000;
        for (;;) {
          const { bytesIn, bytesOut } = await traffic.report().then(({ sockets }) => sockets);
          const isSame = relay.bytes.out - bytesIn <= late && bytesOut === relay.bytes.in;
          if (isSame || performance.now() > untilMs) return { bytesIn, bytesOut };
        }
      }

      it('counts the bytes on the wire exactly, of open connections and of ended ones', async () => {
        const { traffic, relay, handlers } = await start();
        const lasting = await Promise.all(Array.from({ length: 5 }, () => open(relay)));
        for (const [i, socket] of lasting.entries()) await echoed(socket, 10 ** i);
        expect(await bothAgree(traffic, relay)).toEqual({ bytesIn: relay.bytes.out, bytesOut: relay.bytes.in });
        expect(relay.bytes.out).toBeGreaterThan(11_111);

        // All of these begin and end between two looks.
        const leaving = await Promise.all(Array.from({ length: 20 }, () => open(relay)));
        await Promise.all(leaving.map((socket) => echoed(socket, 200)));
        for (const socket of leaving) socket.terminate();
        for (const socket of lasting) await echoed(socket, 60_000);
        expect(await bothAgree(traffic, relay)).toEqual({ bytesIn: relay.bytes.out, bytesOut: relay.bytes.in });
        const { sockets } = await traffic.report();
        expect([sockets.measured, sockets.missed, handlers.open.size]).toEqual(['sockets', 0, 5]);
      });

      it('counts connections that it ends itself, except what the peer sends to a closed socket', async () => {
        const { traffic, relay } = await start();
        const sockets = await Promise.all(Array.from({ length: 20 }, () => open(relay)));
        await Promise.all(sockets.map((socket) => echoed(socket, 1_000)));
        const gone = sockets.map((socket) => once(socket, 'close'));
        for (const [i, socket] of sockets.entries()) {
          if (i % 2 === 0) socket.close(1000);
          else socket.send(Buffer.alloc(1));
        }
        await Promise.all(gone);
        await Promise.all([posted(relay, 3_000), posted(relay, 0), refused(relay)]);
        // Over TCP, uWebSockets closes the three HTTP connections before the peer's FIN is there.
        const late = secure ? 23 * LATE_ALERT : kind === 'uws' ? 3 * LATE_FIN : 0;
        const { bytesIn, bytesOut } = await bothAgree(traffic, relay, late);
        expect(bytesOut).toBe(relay.bytes.in);
        expect(relay.bytes.out - bytesIn).toBeLessThanOrEqual(late);
        expect(relay.bytes.out - bytesIn).toBeGreaterThanOrEqual(0);
      });

      it('counts frames with their heads, both ways, by what they are for', async () => {
        const { traffic, relay, handlers } = await start();
        const socket = await open(relay);
        await echoed(socket, 100);
        await echoed(socket, 500);
        await echoed(socket, 60_000);
        const [connection] = handlers.open;
        const ping = once(socket, 'ping');
        connection?.ping(Buffer.alloc(3));
        await ping;
        socket.ping(Buffer.alloc(10));
        await once(socket, 'pong');
        const { live } = await traffic.report();
        expect(live.purposes).toEqual({
          session: { bytesIn: 0, bytesOut: 0 },
          // A ping of ten bytes and its pong, a ping of three and its pong; four more each for the mask of those that come in.
          heartbeat: { bytesIn: 6 + 10 + 6 + 3, bytesOut: 2 + 10 + 2 + 3 },
          query: { bytesIn: 6 + 108 + 8 + 508 + 8 + 60_008, bytesOut: 2 + 108 + 4 + 508 + 4 + 60_008 },
          command: { bytesIn: 0, bytesOut: 0 },
          metrics: { bytesIn: 0, bytesOut: 0 },
        });
      });
    });
  }
}
