import { connect, createServer, type Server, type Socket } from 'node:net';
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { CLOSE, encodeBody, encodeFrame, FRAME, type HelloBody } from '@muster/protocol';
import { FakeClock, silentLogger } from '@muster/runtime/program';
import { FakeGateway, type FakeGatewayOptions } from '../testing/fake-gateway.js';
import type { EnrolOutcome } from '../identity/enrol.js';
import { LiveChannel, type SessionWork } from './live-channel.js';

const MINUTE = 60_000;
const HELLO: HelloBody = {
  facts: { host: 'h', os: 'linux', arch: 'x', osName: 'n', osVersion: 'v', agentVersion: '1' },
  labels: {},
  capabilities: [],
  instance: new Uint8Array(16),
  proof: new Uint8Array(64),
};

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startGateway(options?: FakeGatewayOptions): Promise<FakeGateway> {
  const gateway = await FakeGateway.start(options);
  cleanups.push(() => gateway.stop());
  return gateway;
}

function startChannel(
  urls: readonly string[],
  options: { token?: string | undefined; enrol?: () => EnrolOutcome; random?: () => number } = {},
) {
  const clock = new FakeClock();
  const log: string[] = [];
  const works: { ended: boolean }[] = [];
  let token: string | undefined = 'token' in options ? options.token : 'first';
  let enrolments = 0;
  const readies: number[] = [];
  const waiters: (() => void)[] = [];
  const note = (message: string, fields?: { why?: unknown }): void => {
    log.push(`${message}${typeof fields?.why === 'string' ? `: ${fields.why}` : ''}`);
    for (const wake of waiters.splice(0)) wake();
  };
  const channel = new LiveChannel({
    urls,
    clock,
    random: options.random ?? (() => 0.5),
    log: { ...silentLogger, info: note, warn: note, error: note },
    credentials: {
      token: () => token,
      setToken: (next) => void (token = next),
      enrol: () => {
        enrolments += 1;
        const outcome = options.enrol?.() ?? { kind: 'enrolled', agentId: 'a', num: 1, token: `enrolled${enrolments}` };
        if (outcome.kind === 'enrolled') token = outcome.token;
        return Promise.resolve(outcome);
      },
      hello: () => HELLO,
    },
    createWork: (): readonly SessionWork[] => {
      const work = { ended: false };
      works.push(work);
      return [{ onWritable: () => {}, end: () => (work.ended = true) }];
    },
    onReady: (welcome) => void readies.push(welcome.epoch),
  });
  cleanups.push(() => channel.stop());
  channel.start();
  return {
    channel,
    clock,
    log,
    works,
    readies,
    enrolments: () => enrolments,
    token: () => token,
    /** Waits until something was logged that matches; no time passes on the fake clock. */
    async logged(pattern: RegExp, count = 1): Promise<void> {
      while (log.filter((line) => pattern.test(line)).length < count)
        await new Promise<void>((resolve) => waiters.push(resolve));
    },
  };
}

describe('a live channel', () => {
  test('presents its token and subprotocol, answers the challenge, and keeps a renewed token', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url]);
    const session = await gateway.next();
    expect(session.request.headers).toMatchObject({
      authorization: 'Bearer first',
      'sec-websocket-protocol': 'muster.v1',
    });
    expect(session.request.headers['sec-websocket-extensions']).toBeUndefined();
    expect((await session.welcome({ token: 'renewed' })).facts.host).toBe('h');
    await agent.logged(/session ready/);
    expect(agent.channel.state).toBe('live');
    expect(agent.token()).toBe('renewed');
  });

  test('a closed session comes back after a jittered delay, on the next gateway', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = startChannel([first.url, second.url], { random: () => 0.25 });
    const session = await first.next();
    await session.welcome();
    await agent.logged(/session ready/);
    session.socket.close(CLOSE.draining.code);
    await agent.logged(/no session: closed: draining/);
    expect(agent.works[0]).toEqual({ ended: true });
    await agent.clock.advanceAsync(249);
    expect(second.upgrades).toBe(0);
    await agent.clock.advanceAsync(1);
    await (await second.next()).welcome();
    await agent.logged(/session ready/, 2);
  });

  test('a renewal opens the next session before the old one is closed; one that was asked for too late is made up for', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url]);
    const first = await gateway.next();
    await first.hello();
    // This HELLO is out already.
    agent.channel.renew();
    first.send(FRAME.welcome, 0, encodeBody('welcome', { agentId: 'a', epoch: 1, heartbeatMs: 25_000, labels: {} }));
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(0);
    const second = await gateway.next();
    await second.welcome({ epoch: 2 });
    expect(await first.closed).toBe(1000);
    await agent.logged(/session ready/, 2);
    await agent.clock.advanceAsync(0);
    expect(gateway.upgrades).toBe(2);
    agent.channel.renew();
    await agent.clock.advanceAsync(0);
    await (await gateway.next()).welcome({ epoch: 3 });
    expect(await second.closed).toBe(1000);
    expect(agent.works.map(({ ended }) => ended)).toEqual([true, true, false]);
  });

  test('both ends of what is open are known, for whoever must not cut it', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url]);
    expect(agent.channel.ends).toEqual([]);
    await (await gateway.next()).welcome();
    await agent.logged(/session ready/);
    const [far, near] = agent.channel.ends;
    expect(far).toEqual({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) });
    expect(near?.host).toBe('127.0.0.1');
  });

  test('a move opens the next session before the old one is closed, and being superseded by it is no loss', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = startChannel([first.url, second.url], { random: () => 0.25 });
    const old = await first.next();
    await old.welcome({ epoch: 1 });
    await agent.logged(/session ready/);
    old.send(FRAME.reconnect, 0, encodeBody('reconnect', { afterMs: 1_000, spreadMs: 4_000, reason: 'draining' }));
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(1_999);
    expect(second.upgrades).toBe(0);
    await agent.clock.advanceAsync(1);
    const next = await second.next();
    await next.hello();
    expect(old.isOpen).toBe(true);
    expect(agent.channel.state).toBe('moving');
    expect(agent.works[0]).toEqual({ ended: false });
    next.send(FRAME.welcome, 0, encodeBody('welcome', { agentId: 'a', epoch: 2, heartbeatMs: 25_000, labels: {} }));
    expect(await old.closed).toBe(1000);
    expect(agent.channel.state).toBe('live');
    expect(agent.works).toEqual([{ ended: true }, { ended: false }]);
    expect(agent.log.some((line) => line.startsWith('no session'))).toBe(false);
  });

  test('superseded while the next session is being opened waits for that one', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = startChannel([first.url, second.url], { random: () => 0 });
    const old = await first.next();
    await old.welcome();
    await agent.logged(/session ready/);
    old.send(FRAME.reconnect, 0, encodeBody('reconnect', { afterMs: 0, spreadMs: 0, reason: 'age' }));
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const next = await second.next();
    old.socket.close(CLOSE.superseded.code);
    await agent.logged(/session ended/);
    expect(agent.channel.state).toBe('connecting');
    await next.welcome();
    await agent.logged(/session ready/, 2);
    expect(agent.log.some((line) => line.startsWith('no session'))).toBe(false);
  });

  test('a move whose target fails keeps the old session and tries again', async () => {
    const first = await startGateway();
    const second = await startGateway({ refuse: () => ({ status: 503 }) });
    const agent = startChannel([first.url, second.url], { random: () => 0 });
    const old = await first.next();
    await old.welcome();
    await agent.logged(/session ready/);
    old.send(FRAME.reconnect, 0, encodeBody('reconnect', { afterMs: 0, spreadMs: 0, reason: 'age' }));
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/connect refused: 503/);
    expect(old.isOpen).toBe(true);
    await agent.clock.advanceAsync(1);
    const next = await first.next();
    await next.welcome();
    expect(await old.closed).toBe(1000);
  });

  test('superseded by a session that was lost before its welcome is no reason to stay away', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = startChannel([first.url, second.url], { random: () => 0.1 });
    const old = await first.next();
    await old.welcome();
    await agent.logged(/session ready/);
    old.send(FRAME.reconnect, 0, encodeBody('reconnect', { afterMs: 1, spreadMs: 0, reason: 'age' }));
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(1);
    (await second.next()).socket.terminate();
    await agent.logged(/no session: closed: 1006/);
    old.socket.close(CLOSE.superseded.code);
    await agent.logged(/no session: superseded by our own move/);
    await agent.clock.advanceAsync(1_000);
    expect(agent.channel.state).toBe('connecting');
  });

  test.each([CLOSE.superseded, CLOSE.duplicateIdentity])(
    'close $code does not flap: one connection in five minutes',
    async ({ code }) => {
      const gateway = await startGateway();
      const agent = startChannel([gateway.url], { random: () => 0 });
      const session = await gateway.next();
      await session.welcome();
      await agent.logged(/session ready/);
      session.socket.close(code);
      await agent.logged(/no session/);
      await agent.clock.advanceAsync(5 * MINUTE - 1);
      expect(gateway.upgrades).toBe(1);
      expect(agent.channel.state).toBe('waiting');
      await agent.clock.advanceAsync(1);
      await gateway.next();
    },
  );

  test('the revoked stay away for an hour', async () => {
    const gateway = await startGateway({ refuse: () => ({ status: 403, body: { code: 'revoked', detail: 'gone' } }) });
    const agent = startChannel([gateway.url], { random: () => 0 });
    await agent.logged(/connect refused: 403 revoked/);
    await agent.clock.advanceAsync(60 * MINUTE - 1);
    expect(gateway.upgrades).toBe(1);
    await agent.clock.advanceAsync(1);
    await agent.logged(/connect refused: 403 revoked/, 2);
  });

  test('a refused token leads to one enrolment; a second refusal does not lead to a loop', async () => {
    const gateway = await startGateway({ refuse: () => ({ status: 401, body: { code: 'unauthenticated' } }) });
    const agent = startChannel([gateway.url], { random: () => 0 });
    await agent.logged(/connect refused: 401/);
    await agent.clock.advanceAsync(1);
    await agent.logged(/connect refused: 401/, 2);
    expect(agent.enrolments()).toBe(1);
    await agent.clock.advanceAsync(5 * MINUTE - 1);
    expect({ upgrades: gateway.upgrades, enrolments: agent.enrolments() }).toEqual({ upgrades: 2, enrolments: 1 });
  });

  test('without a token it enrols first, and waits out a Retry-After', async () => {
    const gateway = await startGateway();
    const outcomes: EnrolOutcome[] = [
      { kind: 'refused', refusal: { status: 429, retryAfterMs: 30_000 } },
      { kind: 'enrolled', agentId: 'a', num: 1, token: 'fresh' },
    ];
    const agent = startChannel([gateway.url], { token: undefined, enrol: () => outcomes.shift()!, random: () => 0 });
    await agent.logged(/enrol refused: 429/);
    await agent.clock.advanceAsync(29_999);
    expect(agent.enrolments()).toBe(1);
    await agent.clock.advanceAsync(1);
    expect((await gateway.next()).request.headers.authorization).toBe('Bearer fresh');
  });

  test('an idle session says no more than it must: a pong, then a ping, both without data', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url], { random: () => 0.999 });
    const session = await gateway.next();
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

  test('a gateway that says nothing for two heartbeats, nor after a ping, is given up, whatever TCP says', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url], { random: () => 0.5 });
    const session = await gateway.next();
    await session.welcome({ heartbeatMs: 10_000 });
    await agent.logged(/session ready/);
    // Half-open: it takes what is sent and never answers, not even pings.
    session.socket.pause();
    await agent.clock.advanceAsync(34_999);
    expect(agent.channel.state).toBe('live');
    await agent.clock.advanceAsync(1);
    await agent.logged(/no session: gateway_silent/);
  });

  test('a gateway that accepts and never welcomes is given up', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url], { random: () => 0.5 });
    await (await gateway.next()).hello();
    await agent.clock.advanceAsync(15_000);
    await agent.logged(/no session: no_session_in_time/);
  });

  test.each([
    ['bytes that are no frame', Buffer.from('garbage!!')],
    ['a frame of an agent', Buffer.from(encodeFrame(FRAME.hello, 0, encodeBody('hello', HELLO)))],
    [
      'a second challenge',
      Buffer.from(
        encodeFrame(FRAME.challenge, 0, encodeBody('challenge', { nonce: new Uint8Array(32), serverTimeMs: 1 })),
      ),
    ],
    ['a query that fits no schema', Buffer.from(encodeFrame(FRAME.query, 1, Buffer.from([0xa0])))],
    ['a body that is no CBOR', Buffer.from(encodeFrame(FRAME.credit, 1, Buffer.from([0xff, 0xff])))],
  ])('%s ends the session with 1002', async (_name, bytes) => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url]);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    session.socket.send(bytes);
    expect(await session.closed).toBe(1002);
    await agent.logged(/no session: protocol_error/);
  });

  test('a text message ends the session with 1003, one over the frame limit with 1009', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url]);
    const first = await gateway.next();
    await first.welcome();
    await agent.logged(/session ready/);
    first.socket.send('hello');
    expect(await first.closed).toBe(1003);
    await agent.logged(/no session/);
    await agent.clock.advanceAsync(1_000);
    const second = await gateway.next();
    await second.welcome();
    await agent.logged(/session ready/, 2);
    second.socket.send(new Uint8Array(1024 * 1024 + 1));
    expect(await second.closed).toBe(1009);
  });

  test('stop closes the session in order and leaves no timer', async () => {
    const gateway = await startGateway();
    const agent = startChannel([gateway.url]);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    await agent.channel.stop();
    expect(await session.closed).toBe(1000);
    expect(agent.works).toEqual([{ ended: true }]);
    expect(agent.clock.pendingTimers).toBe(0);
    expect(agent.channel.state).toBe('stopped');
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
    cleanups.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return { url: `ws://127.0.0.1:${(server.address() as { port: number }).port}/v1/live`, reply };
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
    const agent = startChannel([server.url]);
    await agent.logged(/no session/);
    expect(closeStatus(await server.reply)).toBe(1002);
  });

  test.each(Object.entries(CLOSE))('a close with %s is answered with the same status', async (_name, { code }) => {
    const server = await rawServer(Buffer.from([0x88, 0x02, code >> 8, code & 0xff]));
    const agent = startChannel([server.url]);
    await agent.logged(/no session/);
    expect(closeStatus(await server.reply)).toBe(code);
    expect(agent.channel.state).toBe('waiting');
  });

  test('a port where nothing listens is retried with backoff', async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
    const { port } = probe.address() as { port: number };
    await new Promise((resolve) => probe.close(resolve));
    const agent = startChannel([`ws://127.0.0.1:${port}/v1/live`], { random: () => 0.5 });
    await agent.logged(/no session: failed/);
    await agent.clock.advanceAsync(500);
    await agent.logged(/no session: failed/, 2);
    await expect(
      new Promise((_resolve, reject) => connect(port, '127.0.0.1').on('error', reject)),
    ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });
});
