import { describe, expect, test } from '@jest/globals';
import { CLOSE, encodeBody, encodeCbor, encodeFrame, FRAME } from '@muster/protocol';
import type { EnrolOutcome } from '../identity/enrol.js';
import { HELLO, type ManagerSetup, startGateway, startManager } from '../testing/connection-fixture.js';

const MINUTE = 60_000;

describe.each(['live', 'poll'] as const)('a session over %s', (mode) => {
  const start = (gateways: readonly string[], setup: ManagerSetup = {}) =>
    startManager(gateways, { ...setup, desired: mode });

  test('presents its token, answers the challenge, and keeps a renewed token', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    const session = await gateway.next();
    expect(session.mode).toBe(mode);
    expect(session.request.headers.authorization).toBe('Bearer first');
    expect(session.request.headers['sec-websocket-protocol']).toBe(mode === 'live' ? 'muster.v1' : undefined);
    expect(session.request.headers['sec-websocket-extensions']).toBeUndefined();
    const hello = await session.welcome({ token: 'renewed' });
    expect(hello).toMatchObject({ facts: { host: 'h' } });
    expect([hello.replaces, hello.away]).toEqual([undefined, undefined]);
    await agent.logged(/session ready/);
    expect(agent.manager.state).toBe('active');
    expect(agent.token()).toBe('renewed');
  });

  test('a closed session is reopened after a jittered delay, on the next gateway, and names the session that it replaces', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = await start([first.origin, second.origin], { random: () => 0.25 });
    const session = await first.next();
    await session.welcome({ epoch: 7 });
    await agent.logged(/session ready/);
    session.end(CLOSE.draining.code);
    await agent.fetch();
    await agent.logged(/no session: closed: draining/);
    expect(agent.sessions[0]).toMatchObject({ ended: true });
    await agent.clock.advanceAsync(249);
    expect(second.attempts).toBe(0);
    await agent.clock.advanceAsync(1);
    expect(await (await second.next()).welcome()).toMatchObject({ replaces: 7 });
    await agent.logged(/session ready/, 2);
  });

  test('a renewal opens the next session before the old one is closed; a request that comes too late leads to another one', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    const first = await gateway.next();
    await first.hello();
    // This HELLO is out already.
    agent.manager.renew();
    first.sendWelcome({ epoch: 1 });
    await agent.logged(/session ready/);
    await agent.clock.advanceAsync(0);
    const second = await gateway.next();
    await second.welcome({ epoch: 2 });
    expect(await first.closed).toBe(1000);
    await agent.logged(/session ready/, 2);
    await agent.clock.advanceAsync(0);
    expect(gateway.attempts).toBe(2);
    agent.manager.renew();
    await agent.clock.advanceAsync(0);
    await (await gateway.next()).welcome({ epoch: 3 });
    expect(await second.closed).toBe(1000);
    expect(agent.sessions.map(({ ended }) => ended)).toEqual([true, true, false]);
  });

  test('both ends of open connections are known, so that actions do not cut them', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    expect(agent.manager.ends).toEqual([]);
    await (await gateway.next()).welcome();
    await agent.logged(/session ready/);
    const [far, near] = agent.manager.ends;
    expect(far).toEqual({ host: '127.0.0.1', port: Number(new URL(gateway.url).port) });
    expect(near?.host).toBe('127.0.0.1');
  });

  test('a move opens the next session before the old one is closed, and being superseded by it has no effect', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = await start([first.origin, second.origin], { random: () => 0.25 });
    const old = await first.next();
    await old.welcome({ epoch: 1 });
    await agent.logged(/session ready/);
    old.reconnect({ afterMs: 1_000, spreadMs: 4_000 });
    await agent.fetch();
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(1_999);
    expect(second.attempts).toBe(0);
    await agent.clock.advanceAsync(1);
    const next = await second.next();
    expect(await next.hello()).toMatchObject({ replaces: 1 });
    expect(old.isOpen).toBe(true);
    expect(agent.manager.state).toBe('moving');
    expect(agent.sessions[0]).toMatchObject({ ended: false });
    next.sendWelcome({ epoch: 2 });
    expect(await old.closed).toBe(1000);
    expect(agent.manager.state).toBe('active');
    expect(agent.sessions.map(({ ended }) => ended)).toEqual([true, false]);
    expect(agent.logLines.some((line) => line.startsWith('no session'))).toBe(false);
  });

  test('superseded while the next session is being opened waits for that one', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = await start([first.origin, second.origin], { random: () => 0 });
    const old = await first.next();
    await old.welcome();
    await agent.logged(/session ready/);
    old.reconnect();
    await agent.fetch();
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    const next = await second.next();
    await next.hello();
    old.end(CLOSE.superseded.code);
    if (mode === 'poll') agent.sessions[0]!.session.send(FRAME.report, 0, new Uint8Array());
    await agent.logged(/session ended/);
    expect(agent.manager.state).toBe('connecting');
    next.sendWelcome();
    await agent.logged(/session ready/, 2);
    expect(agent.logLines.some((line) => line.startsWith('no session'))).toBe(false);
  });

  test('a move whose target fails keeps the old session and tries again', async () => {
    const first = await startGateway();
    const refuse = () => ({ status: 503 });
    const second = await startGateway({ refuse, refusePoll: refuse });
    const agent = await start([first.origin, second.origin], { random: () => 0 });
    const old = await first.next();
    await old.welcome();
    await agent.logged(/session ready/);
    old.reconnect();
    await agent.fetch();
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(0);
    await agent.logged(/connect refused: 503/);
    expect(old.isOpen).toBe(true);
    await agent.clock.advanceAsync(1);
    const next = await first.next();
    await next.welcome();
    expect(await old.closed).toBe(1000);
  });

  test.each([
    { ...CLOSE.superseded, minutes: 5 },
    { ...CLOSE.duplicateIdentity, minutes: 1 },
  ])('close $code does not flap: one connection in $minutes min', async ({ code, minutes }) => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin], { random: () => 0 });
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    session.end(code);
    await agent.fetch();
    await agent.logged(/no session/);
    await agent.clock.advanceAsync(minutes * MINUTE - 1);
    expect(gateway.attempts).toBe(1);
    expect(agent.manager.state).toBe('waiting');
    await agent.clock.advanceAsync(1);
    await gateway.next();
  });

  test('a revoked agent stays away for an hour', async () => {
    const refuse = () => ({ status: 403, body: { code: 'revoked', detail: 'gone' } });
    const gateway = await startGateway({ refuse, refusePoll: refuse });
    const agent = await start([gateway.origin], { random: () => 0 });
    await agent.logged(/connect refused: 403 revoked/);
    await agent.clock.advanceAsync(60 * MINUTE - 1);
    expect(gateway.attempts).toBe(1);
    await agent.clock.advanceAsync(1);
    await agent.logged(/connect refused: 403 revoked/, 2);
  });

  test('an agent that had to give way proves its key with the next request, and with no later one', async () => {
    const proofs: unknown[] = [];
    const refuse = ({ headers }: { readonly headers: NodeJS.Dict<string | string[]> }) => {
      proofs.push(headers['muster-proof']);
      return proofs.length === 2 ? undefined : { status: 429, body: { code: 'rate_limited' } };
    };
    const gateway = await startGateway({ refuse, refusePoll: refuse });
    const agent = await start([gateway.origin], { random: () => 0 });
    await agent.logged(/connect refused: 429/);
    await agent.clock.advanceAsync(1);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    agent.manager.renew();
    await agent.clock.advanceAsync(1);
    await agent.logged(/connect refused: 429/, 2);
    expect(proofs).toEqual([undefined, 'proof of first', undefined]);
  });

  test('a refused token leads to one enrolment; a second refusal does not lead to a loop', async () => {
    const refuse = () => ({ status: 401, body: { code: 'unauthenticated' } });
    const gateway = await startGateway({ refuse, refusePoll: refuse });
    const agent = await start([gateway.origin], { random: () => 0 });
    await agent.logged(/connect refused: 401/);
    await agent.clock.advanceAsync(1);
    await agent.logged(/connect refused: 401/, 2);
    expect(agent.enrolments()).toBe(1);
    await agent.clock.advanceAsync(5 * MINUTE - 1);
    expect({ attempts: gateway.attempts, enrolments: agent.enrolments() }).toEqual({ attempts: 2, enrolments: 1 });
  });

  test('without a token it enrols first, and waits out a Retry-After', async () => {
    const gateway = await startGateway();
    const outcomes: EnrolOutcome[] = [
      { kind: 'refused', refusal: { status: 429, retryAfterMs: 30_000 } },
      { kind: 'enrolled', agentId: 'a', num: 1, token: 'fresh' },
    ];
    const agent = await start([gateway.origin], { token: undefined, enrol: () => outcomes.shift()!, random: () => 0 });
    await agent.logged(/enrol refused: 429/);
    await agent.clock.advanceAsync(29_999);
    expect(agent.enrolments()).toBe(1);
    await agent.clock.advanceAsync(1);
    expect((await gateway.next()).request.headers.authorization).toBe('Bearer fresh');
  });

  test('a gateway that accepts and never welcomes is given up', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin], { random: () => 0.5 });
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
  ])('%s ends the session', async (_name, bytes) => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    session.sendBytes(bytes);
    await agent.fetch();
    // Over Poll there is no word for why.
    expect(await session.closed).toBe(mode === 'live' ? 1002 : 1000);
    await agent.logged(/no session: protocol_error/);
  });

  test('a frame whose body is not understood leaves the session as it is, and whoever has to answer hears of it', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    const noCbor = Buffer.from([0xff, 0xff]);
    const nested = Buffer.alloc(100_000, 0x81);
    const types = [FRAME.query, FRAME.credit, FRAME.cancel, FRAME.command, FRAME.commandCancel, FRAME.reportKept];
    for (const type of [...types, FRAME.mode, FRAME.reconnect, FRAME.error])
      for (const body of [noCbor, Buffer.from([0xa0]), nested]) session.sendBytes(encodeFrame(type, 7, body));
    const named = encodeCbor({ id: 'c1', number: 3, jws: 'x'.repeat(40_000), more: [] });
    session.sendBytes(encodeFrame(FRAME.command, 0, named));
    session.sendBytes(encodeFrame(FRAME.credit, 9, encodeBody('credit', { bytes: 1 })));
    await agent.fetch();
    const [{ received }] = agent.sessions as [(typeof agent.sessions)[0]];
    while (!received.includes('credit 9 1')) await agent.clock.advanceAsync(0);
    const times = (what: string): string[] => Array<string>(3).fill(what);
    expect(received).toEqual([
      ...[...times('bad_query 7'), ...times('bad_credit 7'), ...times('cancel 7')],
      ...['unreadable command c1 3', 'credit 9 1'],
    ]);
    expect(agent.sessions).toMatchObject([{ ended: false }]);
  });

  test('stop closes the session in order and leaves no timer', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    await agent.manager.stop();
    expect(await session.closed).toBe(1000);
    expect(agent.sessions).toMatchObject([{ ended: true }]);
    expect(agent.clock.pendingTimers).toBe(0);
    expect(agent.manager.state).toBe('stopped');
  });

  test('frames are refused above the high-water mark until there is room again', async () => {
    const gateway = await startGateway();
    const agent = await start([gateway.origin]);
    const session = await gateway.next();
    await session.welcome();
    await agent.logged(/session ready/);
    const [{ session: active, received }] = agent.sessions as [(typeof agent.sessions)[0]];
    const chunk = new Uint8Array(64 * 1024);
    const results = Array.from({ length: 100 }, () => active.send(FRAME.rows, 1, chunk));
    const sent = results.filter((result) => result === 'sent').length;
    expect(sent).toBeGreaterThanOrEqual(4);
    expect(results.slice(sent)).toEqual(Array<string>(100 - sent).fill('full'));
    expect(active.send(FRAME.queryEnd, 1, chunk, { urgent: true })).toBe('sent');
    for (let frames = 0; frames <= sent; frames += 1) await session.frame();
    while (received.length === 0) await agent.clock.advanceAsync(0);
    expect(received).toEqual(['writable']);
  });
});

describe('a failed move', () => {
  test('superseded by its own session that was lost before WELCOME, the agent does not stay away', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = await startManager([first.origin, second.origin], { random: () => 0.1 });
    const old = await first.nextLive();
    await old.welcome();
    await agent.logged(/session ready/);
    old.reconnect({ afterMs: 1 });
    await agent.logged(/asked to reconnect/);
    await agent.clock.advanceAsync(1);
    (await second.nextLive()).socket.terminate();
    await agent.logged(/session not moved yet: closed: 1006/);
    old.end(CLOSE.superseded.code);
    await agent.logged(/no session: superseded by our own move/);
    await agent.clock.advanceAsync(1_000);
    expect(agent.manager.state).toBe('connecting');
  });

  test('superseded by an earlier attempt whose connection its gateway still kept, the agent does not stay away', async () => {
    const [first, second] = [await startGateway(), await startGateway()];
    const agent = await startManager([first.origin, second.origin], { random: () => 0.1 });
    const failed = await first.nextLive();
    await failed.hello();
    failed.socket.terminate();
    await agent.logged(/no session: closed: 1006/);
    await agent.clock.advanceAsync(1_000);
    const session = await second.nextLive();
    await session.welcome();
    await agent.logged(/session ready/);
    session.end(CLOSE.superseded.code);
    await agent.logged(/no session: superseded by our own move/);
  });
});
