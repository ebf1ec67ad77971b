import { createHash } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import { CLOSE } from '@muster/protocol';
import { atEnd, startGateway, startManager } from '../testing/connection-fixture.js';

describe('a live session', () => {
  test('an idle session sends only what it must: a pong, then a ping, both without data', async () => {
    const gateway = await startGateway();
    const agent = await startManager([gateway.origin], { random: () => 0.999 });
    const session = await gateway.nextLive();
    const [pong, ping] = (['pong', 'ping'] as const).map(
      (event) => new Promise<Buffer>((resolve) => session.socket.once(event, resolve)),
    );
    await session.welcome({ heartbeatMs: 10_000 });
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(10_000);
    expect(await pong).toHaveLength(0);
    expect(session.pings).toEqual([]);
    await agent.clock.advanceAsync(10_000);
    expect(await ping).toHaveLength(0);
  });

  test('a gateway that sends nothing for two heartbeats, nor after a ping, is given up, even if TCP works', async () => {
    const gateway = await startGateway();
    const agent = await startManager([gateway.origin], { random: () => 0.5 });
    const session = await gateway.nextLive();
    await session.welcome({ heartbeatMs: 10_000 });
    await agent.logged(/session ready/);
    // Half-open: it takes what is sent and never answers, not even pings.
    session.socket.pause();
    await agent.clock.advanceAsync(23_999);
    expect(agent.manager.state).toBe('active');
    await agent.clock.advanceAsync(1);
    await agent.logged(/no session: gateway_silent/);
  });

  test('a gateway that promised heartbeats and hangs is given up 5 s after one was due', async () => {
    const gateway = await startGateway();
    const agent = await startManager([gateway.origin], { random: () => 0.9 });
    const session = await gateway.nextLive();
    await session.welcome({ heartbeatMs: 48_000, gatewayHeartbeatMs: 25_000 });
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(20_000);
    const heard = new Promise((resolve) => session.socket.once('pong', resolve));
    // A heartbeat is an empty message. The pong behind it shows that the agent has read it.
    session.socket.send(new Uint8Array(0));
    session.socket.ping();
    await heard;
    session.socket.pause();
    await agent.clock.advanceAsync(29_999);
    expect(agent.manager.state).toBe('active');
    await agent.clock.advanceAsync(1);
    await agent.logged(/no session: gateway_silent/);
  });

  test('an empty message of a gateway that promised no heartbeats ends the session with 1002', async () => {
    const gateway = await startGateway();
    const agent = await startManager([gateway.origin]);
    const session = await gateway.nextLive();
    await session.welcome();
    await agent.logged(/session ready/);
    session.socket.send(new Uint8Array(0));
    expect(await session.closed).toBe(1002);
  });

  test('a gateway that accepts TCP and never answers is given up after 5 s, then after 5, 10 and 15', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const agent = await startManager([`ws://127.0.0.1:${port}`], { desired: 'live', random: () => 0 });
    for (const [times, seconds] of [5, 5, 10, 15].entries()) {
      await agent.clock.advanceAsync(seconds * 1_000 - 1);
      expect(agent.manager.state).toBe('connecting');
      await agent.clock.advanceAsync(1);
      await agent.logged(/no session: no_session_in_time/, times + 1);
      await agent.clock.advanceAsync(0);
    }
  });

  test('a text message ends the session with 1003, one over the frame limit with 1009', async () => {
    const gateway = await startGateway();
    const agent = await startManager([gateway.origin]);
    const first = await gateway.nextLive();
    await first.welcome();
    await agent.logged(/session ready/);
    first.socket.send('hello');
    expect(await first.closed).toBe(1003);
    await agent.logged(/no session/);
    await agent.clock.advanceAsync(1_000);
    const second = await gateway.nextLive();
    await second.welcome();
    await agent.logged(/session ready/, 2);
    second.socket.send(new Uint8Array(1024 * 1024 + 1));
    expect(await second.closed).toBe(1009);
  });
});

describe('raw bytes from a server', () => {
  /** Accepts the upgrade by hand, then sends `bytes`; gives what the client sent after its request. */
  async function rawServer(bytes: Buffer): Promise<{ url: string; reply: Promise<Buffer> }> {
    let answered: (reply: Buffer) => void;
    const reply = new Promise<Buffer>((resolve) => (answered = resolve));
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      const parts: Buffer[] = [];
      socket.once('data', (request) => {
        const key = /sec-websocket-key: (.*)\r\n/i.exec(request.toString())![1];
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: muster.v1\r\n\r\n`,
        );
        socket.write(bytes);
        socket.on('data', (part) => parts.push(part));
      });
      socket.on('error', () => {});
      socket.on('end', () => {
        answered(Buffer.concat(parts));
        socket.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { url: `ws://127.0.0.1:${(server.address() as { port: number }).port}`, reply };
  }

  /** The status of the first close frame, which a client masks (RFC 6455 §5.3). */
  function closeStatus(bytes: Buffer): number {
    expect(bytes[0]).toBe(0x88);
    const mask = bytes.subarray(2, 6);
    return ((bytes[6]! ^ mask[0]!) << 8) | (bytes[7]! ^ mask[1]!);
  }

  test.each([
    ['a masked frame', Buffer.from([0x82, 0x81, 1, 2, 3, 4, 5])],
    ['a masked ping', Buffer.from([0x89, 0x80, 1, 2, 3, 4])],
    ['reserved bits', Buffer.from([0xc2, 0x01, 0])],
    ['a reserved opcode', Buffer.from([0x83, 0x00])],
    ['a fragmented control frame', Buffer.from([0x09, 0x00])],
    ['a masked close', Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8])],
    ['a masked empty frame', Buffer.from([0x82, 0x80, 0, 0, 0, 0])],
    ['a ping of 126 bytes', Buffer.concat([Buffer.from([0x89, 0x7e, 0, 126]), Buffer.alloc(126)])],
    ['a continuation of nothing', Buffer.from([0x80, 0x00])],
    ['a close with one byte', Buffer.from([0x88, 0x01, 0x03])],
    ['a close with a status that must not be sent', Buffer.from([0x88, 0x02, 0x03, 0xed])],
  ])('%s ends the connection with 1002', async (_name, bytes) => {
    const server = await rawServer(bytes);
    const agent = await startManager([server.url]);
    await agent.logged(/no session/);
    expect(closeStatus(await server.reply)).toBe(1002);
  });

  test.each(Object.entries(CLOSE))('a close with %s is answered with the same status', async (_name, { code }) => {
    const server = await rawServer(Buffer.from([0x88, 0x02, code >> 8, code & 0xff]));
    const agent = await startManager([server.url]);
    await agent.logged(/no session/);
    expect(closeStatus(await server.reply)).toBe(code);
    expect(agent.manager.state).toBe('waiting');
  });

  test('a port where nothing listens is retried with backoff', async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const agent = await startManager([`ws://127.0.0.1:${port}`], { random: () => 0.5 });
    await agent.logged(/no session: failed/);
    await agent.clock.advanceAsync(500);
    await agent.logged(/no session: failed/, 2);
    await expect(
      new Promise((_resolve, reject) => connect(port, '127.0.0.1').on('error', reject)),
    ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
