import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { TcpRelay, type TcpRelayOptions } from './tcp-relay.js';

describe('a TCP relay', () => {
  let target: Server;
  let relay: TcpRelay;
  let received: number;

  /** Answers each piece with the same bytes twice. */
  beforeEach(async () => {
    received = 0;
    target = createServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (piece) => {
        received += piece.length;
        socket.write(piece);
        socket.write(piece);
      });
    });
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => {
    await relay.stop();
    await new Promise((resolve) => target.close(resolve));
  });

  async function open(options: Omit<TcpRelayOptions, 'port'> = {}): Promise<Socket> {
    relay = await TcpRelay.start({ port: (target.address() as AddressInfo).port, ...options });
    return connect({ host: '127.0.0.1', port: relay.port, allowHalfOpen: true });
  }

  async function echoed(socket: Socket, bytes: number): Promise<void> {
    socket.write(Buffer.alloc(bytes));
    for (let left = bytes * 2; left > 0;) left -= ((await once(socket, 'data')) as [Buffer])[0].length;
  }

  test('counts payload bytes as the client sees them, and delivers what was sent before an end', async () => {
    const client = await open();
    await echoed(client, 300_000);
    client.end(Buffer.alloc(7));
    client.resume();
    await once(client, 'close');
    expect(relay.bytes).toEqual({ out: 300_007, in: 600_014, connections: 1 });
    expect(received).toBe(300_007);
  });

  test('delays what passes, each way', async () => {
    const client = await open({ delayMs: 60 });
    const startedMs = performance.now();
    await echoed(client, 1);
    expect(performance.now() - startedMs).toBeGreaterThanOrEqual(115);
    client.destroy();
  });

  test('cuts all connections by a reset', async () => {
    const client = await open();
    await echoed(client, 1);
    const reset = once(client, 'error');
    relay.cut();
    expect(await reset).toMatchObject([{ code: 'ECONNRESET' }]);
    expect(relay.cuts).toBe(1);
  });

  test('resets a connection in which one direction is silent', async () => {
    const client = await open({ silenceMs: 50 });
    expect(await once(client, 'error')).toMatchObject([{ code: 'ECONNRESET' }]);
    await eventually(() => relay.longestSilenceMs.in > 40);
  });

  test('discards what follows on a connection that was ended as idle', async () => {
    const client = await open({ endIdleMs: 30 });
    await echoed(client, 10);
    await once(client, 'end');
    client.write(Buffer.alloc(5));
    await eventually(() => relay.undelivered === 5);
    expect(received).toBe(10);
    client.destroy();
  });
});
