import { createServer, type Server } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { decodeBatch, encodeBatch, encodeBody, encodeFrame, FRAME, POLL_MEDIA_TYPE } from '@muster/protocol';
import type { SessionConnection } from '../contract/session-connection.js';
import type { FakePollSession, PollFault, PollRequestSeen } from '../testing/fake-poll-session.js';
import { atEnd, startGateway, startManager } from '../testing/connection-fixture.js';

const rows = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);
const credit = (bytes: number): Uint8Array => encodeFrame(FRAME.credit, 1, encodeBody('credit', { bytes }));

/** A ready poll session, and the agent at its other end. */
async function opened(random = (): number => 0.5) {
  const gateway = await startGateway();
  const agent = await startManager([gateway.origin], { desired: 'poll', random });
  const session = await gateway.nextPoll();
  await session.welcome();
  await agent.logged(/session ready/);
  const [active] = agent.sessions as [(typeof agent.sessions)[0]];
  return { gateway, agent, session, active, connection: active.session as SessionConnection };
}

/** The first requests that match meet with this. */
function faults(session: FakePollSession, method: string, ...list: PollFault[]): void {
  session.fault = (request) => (request.method === method ? list.shift() : undefined);
}

async function received(active: { received: string[] }, count: number): Promise<string[]> {
  while (active.received.length < count) await new Promise((resolve) => setImmediate(resolve));
  return active.received;
}

describe('a poll session', () => {
  test('opens with the token; later requests send only the session id', async () => {
    const { gateway, agent, session } = await opened();
    expect(session.request.method).toBe('POST');
    expect(session.request.headers).toMatchObject({ authorization: 'Bearer first', 'content-length': '0' });
    expect(session.request.headers['muster-session']).toBeUndefined();
    await agent.fetch();
    await session.polled(2);
    const [hello, get] = session.requests as [PollRequestSeen, PollRequestSeen];
    expect(hello).toMatchObject({
      method: 'POST',
      headers: {
        'muster-session': session.name,
        'muster-sequence': '1',
        'if-none-match': '"1"',
        'content-type': POLL_MEDIA_TYPE,
      },
    });
    expect(get).toMatchObject({
      method: 'GET',
      headers: { 'muster-session': session.name, 'if-none-match': '"2"', 'accept-encoding': 'gzip' },
    });
    for (const { headers } of [hello, get]) expect(headers.authorization).toBeUndefined();
    expect(gateway.connections).toBe(1);
  });

  test('says of a frame how old what it says is', async () => {
    const { session, connection } = await opened();
    connection.send(FRAME.rows, 1, rows(3), { ageMs: 45_000 });
    await session.polled(2);
    const batch = decodeBatch(session.requests.findLast(({ method }) => method === 'POST')?.body ?? rows(0));
    expect(batch?.map(({ ageMs }) => Math.floor(ageMs / 1_000))).toEqual([45]);
  });

  test('polls at a random time in the last tenth of the interval, and follows a new interval', async () => {
    const { agent, session, connection, active } = await opened(() => 0.999_999);
    session.sendBytes(credit(1));
    await agent.clock.advanceAsync(54_000);
    expect(session.requests).toHaveLength(1);
    await agent.clock.advanceAsync(1);
    await received(active, 1);
    await agent.clock.advanceAsync(0);
    connection.pollEvery(10_000);
    session.pollAfterMs = 1_500;
    session.sendBytes(credit(2));
    await agent.clock.advanceAsync(9_000);
    expect(session.requests).toHaveLength(2);
    await agent.clock.advanceAsync(1);
    await received(active, 2);
    await agent.clock.advanceAsync(1_499);
    expect(session.requests).toHaveLength(3);
    await agent.clock.advanceAsync(1);
    await session.polled(4);
  });

  test('frames of one turn, and frames during a request, are sent together', async () => {
    const { session, connection } = await opened();
    connection.send(FRAME.rows, 1, rows(10));
    connection.send(FRAME.rows, 2, rows(20));
    await session.polled(2);
    // The request is in progress; these frames wait for its answer.
    for (let i = 0; i < 50; i += 1) connection.send(FRAME.rows, 3, rows(30));
    await session.polled(3);
    const [, first, second] = session.requests as PollRequestSeen[];
    expect(decodeBatch(first!.body)).toHaveLength(2);
    expect(first!.headers['content-encoding']).toBeUndefined();
    expect(second!.headers['content-encoding']).toBe('gzip');
    expect(decodeBatch(gunzipSync(second!.body))).toHaveLength(50);
    expect(session.requests.map(({ headers }) => headers['muster-sequence'])).toEqual(['1', '2', '3']);
  });

  test('bytes that do not get smaller are not compressed', async () => {
    const { session, connection } = await opened();
    connection.send(FRAME.rows, 1, crypto.getRandomValues(new Uint8Array(4_000)));
    await session.polled(2);
    expect(session.requests[1]!.headers['content-encoding']).toBeUndefined();
  });

  test('the age of waiting frames is sent', async () => {
    const { agent, session, active } = await opened();
    session.ageMs = 12_000;
    session.query(1, { sql: 'x', columns: ['x'], remainingMs: 30_000 });
    await agent.fetch();
    expect(await received(active, 1)).toEqual(['query 1 for 18000 ms']);
  });

  test.each<PollFault>(['lose', 'cut', { status: 502 }, { status: 200, body: 'Please log in' }])(
    'a request that met with %j is repeated as it was; nothing is lost or comes twice',
    async (fault) => {
      const { agent, session, connection, active } = await opened();
      session.sendBytes(credit(1));
      // A connection that was used before is opened anew without a word, once.
      const times = typeof fault === 'string' ? 3 : 2;
      faults(session, 'POST', ...Array<PollFault>(times).fill(fault));
      connection.send(FRAME.rows, 1, rows(2_000));
      await agent.logged(/poll failed/);
      connection.send(FRAME.rows, 2, rows(5));
      session.sendBytes(credit(2));
      await agent.clock.advanceAsync(500);
      await agent.logged(/poll failed/, 2);
      await agent.clock.advanceAsync(1_000);
      expect(await received(active, 2)).toEqual(['credit 1 1', 'credit 1 2']);
      const bodies = [await session.frame(), await session.frame()].map(({ body }) => body.length);
      expect(bodies).toEqual([2_000, 5]);
      const [first, ...again] = session.requests.filter(({ headers }) => headers['muster-sequence'] === '2');
      expect(again).toHaveLength(times);
      for (const { body } of again) expect(body.equals(first!.body)).toBe(true);
      expect(session.frames).toHaveLength(3);
      expect(agent.logLines.filter((line) => line.startsWith('no session'))).toEqual([]);
    },
  );

  test('a lost answer to a GET is fetched again', async () => {
    const { agent, session, active } = await opened();
    session.sendBytes(credit(1));
    faults(session, 'GET', 'lose', 'lose');
    await agent.fetch();
    await agent.logged(/poll failed/);
    await agent.clock.advanceAsync(1_000);
    expect(await received(active, 1)).toEqual(['credit 1 1']);
  });

  test('when its gateway is gone, another one is asked and knows the state of the session', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = await startManager([first.origin, second.origin], { desired: 'poll', random: () => 0 });
    await (await first.nextPoll()).welcome({ epoch: 1 });
    await agent.logged(/session ready/);
    await first.stop();
    await agent.fetch();
    await agent.logged(/poll failed/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/no session: closed: goingAway/);
    await agent.clock.advanceAsync(0);
    expect(await (await second.nextPoll()).welcome({ epoch: 2 })).toMatchObject({ replaces: 1 });
  });

  test('after five repeats it has failed, and another session is opened', async () => {
    const { gateway, agent, session } = await opened(() => 0);
    session.fault = () => ({ status: 504 });
    await agent.fetch();
    for (let times = 1; times <= 5; times += 1) {
      await agent.logged(/poll failed/, times);
      await agent.clock.advanceAsync(0);
    }
    await agent.logged(/no session: connect refused: 504/);
    await agent.clock.advanceAsync(0);
    expect((await (await gateway.nextPoll()).hello()).replaces).toBe(1);
    expect(session.requests).toHaveLength(7);
  });

  test('a busy gateway is asked again after its Retry-After', async () => {
    const { agent, session } = await opened(() => 0);
    faults(session, 'GET', {
      status: 429,
      headers: { 'retry-after': '7', 'content-type': 'application/problem+json' },
      body: '{"code":"rate_limited"}',
    });
    await agent.fetch();
    await agent.logged(/poll failed/);
    await agent.clock.advanceAsync(6_999);
    expect(session.requests).toHaveLength(2);
    await agent.clock.advanceAsync(1);
    await session.polled(3);
  });

  test('a gateway that says that the agent is revoked ends the session', async () => {
    const { agent, session } = await opened(() => 0);
    faults(session, 'GET', { status: 403, body: '{"code":"revoked"}' });
    await agent.fetch();
    await agent.logged(/no session: connect refused: 403 revoked/);
    expect(agent.logLines.some((line) => line.startsWith('poll failed'))).toBe(false);
  });

  test('a request without an answer is given up after 15 s, and repeated', async () => {
    const { agent, session, active } = await opened();
    session.sendBytes(credit(1));
    faults(session, 'GET', 'hang');
    await agent.fetch();
    await session.polled(2);
    await agent.clock.advanceAsync(15_000);
    await agent.logged(/poll failed/);
    await agent.clock.advanceAsync(1_000);
    expect(await received(active, 1)).toEqual(['credit 1 1']);
  });

  test.each<[string, PollFault]>([
    ['is no batch', reply(Buffer.from('garbage'))],
    ['has no ETag', reply(encodeBatch([{ frame: credit(1), ageMs: 0 }]), { etag: '' })],
    ['has an ETag that is no number', reply(encodeBatch([{ frame: credit(1), ageMs: 0 }]), { etag: '"three"' })],
    ['leaves frames out', reply(encodeBatch([{ frame: credit(1), ageMs: 0 }]), { etag: '"7"' })],
    ['is too long', reply(new Uint8Array(1024 * 1024))],
    ['is no gzip', reply(Buffer.from('garbage'), { 'content-encoding': 'gzip' })],
    ['is too long when it is unpacked', reply(gzipSync(new Uint8Array(8 << 20)), { 'content-encoding': 'gzip' })],
    ['has an unknown compression', reply(Buffer.from('x'), { 'content-encoding': 'br' })],
  ])('a batch that %s ends the session', async (_name, fault) => {
    const { agent, session, active } = await opened();
    faults(session, 'GET', fault);
    await agent.fetch();
    await agent.logged(/no session: protocol_error/);
    expect(await session.closed).toBe(1000);
    expect(active.received).toEqual([]);
  });

  test('frames that it has already are ignored, and a weak ETag works too', async () => {
    const { agent, session, active } = await opened();
    const frames = [credit(1), credit(2)].map((frame) => ({ frame, ageMs: 0 }));
    faults(session, 'GET', reply(encodeBatch(frames), { etag: 'W/"3"' }));
    await agent.fetch();
    expect(await received(active, 1)).toEqual(['credit 1 2']);
  });

  test('an answer without new frames does not lead to a poll at once', async () => {
    const { agent, session } = await opened();
    const stale = encodeBatch([{ frame: credit(1), ageMs: 0 }]);
    const headers = { 'content-type': POLL_MEDIA_TYPE, etag: '"2"', 'muster-poll-after': '0' };
    session.fault = () => ({ status: 200, headers, body: stale });
    await agent.fetch();
    await session.polled(2);
    const sinceMs = agent.clock.monotonic();
    while (session.requests.length < 12) await agent.clock.advanceAsync(1);
    expect(agent.clock.monotonic() - sinceMs).toBeGreaterThanOrEqual(500);
  });

  test('a batch that was compressed is read', async () => {
    const { agent, session, active } = await opened();
    const batch = gzipSync(encodeBatch([{ frame: credit(5), ageMs: 0 }]));
    faults(session, 'GET', reply(batch, { 'content-encoding': 'gzip' }));
    await agent.fetch();
    expect(await received(active, 1)).toEqual(['credit 1 5']);
  });

  test('frames from before the end are sent before the end', async () => {
    const { agent, session, connection } = await opened();
    connection.send(FRAME.report, 0, rows(3));
    await agent.manager.stop();
    expect((await session.frame()).header.type).toBe(FRAME.report);
    expect(session.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'DELETE']);
  });

  test('an end without an answer takes two seconds', async () => {
    const { agent, session } = await opened();
    session.fault = () => 'hang';
    const stopped = agent.manager.stop();
    await session.polled(2);
    await agent.clock.advanceAsync(2_000);
    await stopped;
    expect(agent.clock.pendingTimers).toBe(0);
  });

  test('an end while the network is gone does not wait for repeats', async () => {
    const { agent, session, connection } = await opened();
    session.fault = () => 'cut';
    connection.send(FRAME.report, 0, rows(3));
    await agent.logged(/poll failed/);
    await agent.manager.stop();
    expect(agent.clock.pendingTimers).toBe(0);
  });

  test('a connection that the server closed at the moment it was used again is no failure', async () => {
    const { gateway, agent, session } = await opened();
    session.fault = ({ method }) => {
      session.fault = () => undefined;
      return method === 'GET' ? 'cut' : undefined;
    };
    await agent.fetch();
    await session.polled(3);
    expect(gateway.connections).toBe(2);
    expect(agent.logLines.some((line) => line.startsWith('poll failed'))).toBe(false);
  });
});

describe('a server that is not a gateway', () => {
  /** Answers every connection with these bytes, or never. */
  async function mute(bytes?: string): Promise<string> {
    const server: Server = createServer((socket) => {
      socket.on('error', () => {});
      atEnd(() => void socket.destroy());
      if (bytes !== undefined) socket.once('data', () => socket.end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(() => void server.close());
    return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  test.each([
    ['a page', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello', /is not from a gateway/],
    [
      'a batch without a session',
      `HTTP/1.1 200 OK\r\nContent-Type: ${POLL_MEDIA_TYPE}\r\n\r\n`,
      /is not from a gateway/,
    ],
    ['no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n', /failed: .*Parse Error/],
    ['half a head', 'HTTP/1.1 200 OK\r\nContent-', /failed/],
    ['half a body', 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 500\r\n\r\nhello', /connect refused: 502/],
    ['a redirect', 'HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n', /connect refused: 302/],
  ])('and answers with %s is tried again', async (_name, bytes, why) => {
    const agent = await startManager([await mute(bytes)], { desired: 'poll' });
    await agent.logged(/no session/);
    expect(agent.logLines.join('\n')).toMatch(why);
    expect(agent.manager.state).toBe('waiting');
  });

  test('and never answers is given up after 15 s', async () => {
    const agent = await startManager([await mute()], { desired: 'poll' });
    await new Promise((resolve) => setImmediate(resolve));
    await agent.clock.advanceAsync(15_000);
    await agent.logged(/no session: no_session_in_time/);
  });
});

function reply(body: Uint8Array, headers: Record<string, string> = {}): PollFault {
  return { status: 200, headers: { 'content-type': POLL_MEDIA_TYPE, etag: '"3"', ...headers }, body };
}
