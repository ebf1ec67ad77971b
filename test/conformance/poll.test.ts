import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { encodeBatch, encodeFrame, FRAME, LIMITS, POLL_MEDIA_TYPE, POLL_SESSION_HEADER } from '@muster/protocol';
import { Gateways } from './gateways.js';
import { PollPeer, type PollAnswer } from './poll-peer.js';

/** Section 10 of docs/protocol.md. */

let gateways: Gateways;
beforeAll(async () => {
  gateways = await Gateways.start();
});
afterAll(() => gateways.stop());

const peers: PollPeer[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.stop();
});

const MATRIX = (['uws', 'ws'] as const).flatMap((transport) =>
  [false, true].map((secure) => ({ transport, secure, wire: secure ? 'TLS' : 'TCP' })),
);

const types = ({ frames }: PollAnswer): (number | undefined)[] => frames.map(({ frame }) => frame[0]);
const ended = (closeCode: number) => ({ status: 410, problem: { code: 'session_ended', closeCode } });
/** Rows for an unknown query: gateways ignore them. */
const ROWS = encodeFrame(FRAME.rows, 7, new Uint8Array(0), 1);

describe.each(MATRIX)('Poll over $transport and $wire', ({ transport, secure }) => {
  function peer(): PollPeer {
    const made = new PollPeer(gateways.wire(transport, secure));
    peers.push(made);
    return made;
  }

  async function opened() {
    const { token, helloTo } = await gateways.agent();
    const one = peer();
    const answer = await one.open(token);
    return { peer: one, answer, hello: helloTo(answer.frames[0]?.frame ?? new Uint8Array(0)) };
  }

  /** A session that is ready and has received WELCOME: frame 2, after request 1. */
  async function ready(): Promise<PollPeer> {
    const { peer: one, hello } = await opened();
    const answer = await one.post(1, [hello], 1);
    expect([answer.status, answer.headers.etag, types(answer)]).toEqual([200, '"2"', [FRAME.welcome]]);
    return one;
  }

  describe('opening', () => {
    test('returns the name of the session and CHALLENGE', async () => {
      const { answer } = await opened();
      expect([answer.status, answer.headers.etag, types(answer)]).toEqual([200, '"1"', [FRAME.challenge]]);
      expect(answer.headers[POLL_SESSION_HEADER]).toMatch(/^[\x21-\x7e]{20,200}$/);
      expect(answer.headers).toMatchObject({ 'content-type': POLL_MEDIA_TYPE, 'cache-control': 'no-store' });
    });

    test('is refused like an upgrade', async () => {
      const { token } = await gateways.agent();
      const authorization = `Bearer ${token}`;
      const one = peer();
      const answers = [
        await one.ask('POST'),
        await one.ask('POST', { authorization: 'Bearer e30.e30.e30' }),
        await one.ask('POST', { authorization, origin: 'https://example.com' }),
        await one.ask('POST', { authorization, 'content-type': POLL_MEDIA_TYPE }, encodeBatch([])),
        await one.ask('POST', { authorization, 'content-type': POLL_MEDIA_TYPE }, Buffer.alloc(9)),
        await one.ask('GET', { authorization }),
        await one.ask('DELETE', { authorization }),
        await one.ask('PUT', { authorization }),
      ];
      expect(answers.map(({ status, problem }) => [status, problem.code])).toEqual([
        [401, 'unauthenticated'],
        [401, 'unauthenticated'],
        [403, 'forbidden'],
        [200, undefined],
        [400, 'bad_request'],
        [400, 'bad_request'],
        [400, 'bad_request'],
        [405, 'method_not_allowed'],
      ]);
      expect(answers[7]?.headers['allow']).toBe('GET, POST, DELETE');
    });

    test('HELLO is answered with WELCOME', ready);

    test.each([
      ['a HELLO for another challenge', (_hello: Uint8Array, other: Uint8Array) => [other], 4500],
      ['another frame before HELLO', () => [ROWS], 1002],
      ['anything right behind HELLO', (hello: Uint8Array) => [hello, ROWS], 1002],
      ['a frame of the other direction', () => [encodeFrame(FRAME.welcome, 0, Buffer.from([0xa0]))], 1002],
      ['a HELLO that is too big', () => [encodeFrame(FRAME.hello, 0, Buffer.alloc(9_000))], 4505],
      ['a HELLO that is none', () => [encodeFrame(FRAME.hello, 0, Buffer.from([0xa0]))], 4504],
      ['a frame that is none', () => [randomBytes(3)], 1002],
      ['an empty frame', () => [new Uint8Array(0)], 1002],
    ])('%s ends it like a WebSocket', async (_what, frames, code) => {
      const [{ peer: one, hello }, { hello: other }] = await Promise.all([opened(), opened()]);
      expect(await one.post(1, frames(hello, other), 1)).toMatchObject(ended(code));
      expect(await one.get(1)).toMatchObject(ended(code));
    });
  });

  describe('a session', () => {
    test('answers 304 to a GET and 204 to a POST when nothing waits, without a body', async () => {
      const one = await ready();
      const [get, post, empty] = [
        await one.get(2),
        await one.post(2, [ROWS], 2),
        await one.postBytes(3, Buffer.of(), 2),
      ];
      expect([get, post, empty].map(({ status, headers, body }) => [status, headers.etag, body.length])).toEqual([
        [304, '"2"', 0],
        [204, '"2"', 0],
        [204, '"2"', 0],
      ]);
    });

    test('sends frames again that were not received, and only those', async () => {
      const { peer: one, hello } = await opened();
      const answer = await one.post(1, [hello], 1);
      const again = [await one.get(1), await one.post(1, [hello], 1), await one.get(1, { 'if-none-match': 'W/"1"' })];
      for (const one of again) expect([types(one), one.headers.etag]).toEqual([[FRAME.welcome], answer.headers.etag]);
      expect(await one.get(2)).toMatchObject({ status: 304 });
    });

    test('sends all frames from the first one without a receipt', async () => {
      const { peer: one, hello } = await opened();
      const answer = await one.post(1, [hello]);
      expect([answer.headers.etag, types(answer)]).toEqual(['"2"', [FRAME.challenge, FRAME.welcome]]);
    });

    test('handles a repeated request once, on any number of connections', async () => {
      const { peer: one, hello } = await opened();
      const answers = await Promise.all([1, 2, 3, 4].map(() => one.post(1, [hello], 1)));
      // A second HELLO would have ended the session.
      expect(answers.map((answer) => [answer.status, types(answer)])).toEqual(
        answers.map(() => [200, [FRAME.welcome]]),
      );
      expect(await one.post(2, [ROWS], 2)).toMatchObject({ status: 204 });
    });

    test.each([
      ['a request that was left out', (one: PollPeer) => one.post(3, [ROWS], 2)],
      [
        'a sequence number before the last one',
        async (one: PollPeer) => one.post(2, [ROWS], 2).then(() => one.post(1, [ROWS], 2)),
      ],
      ['a receipt for what was never given', (one: PollPeer) => one.get(3)],
      [
        'a truncated batch',
        (one: PollPeer) => one.postBytes(2, encodeBatch([{ frame: ROWS, ageMs: 0 }]).subarray(0, -1), 2),
      ],
      ['a batch with a length that is too long', (one: PollPeer) => one.postBytes(2, Buffer.alloc(12, 0xff), 2)],
      ['a frame that is none', (one: PollPeer) => one.post(2, [randomBytes(5)], 2)],
    ])('ends with 1002 on %s', async (_what, act) => {
      const one = await ready();
      expect(await act(one)).toMatchObject(ended(1002));
      expect(await one.get(2)).toMatchObject(ended(1002));
    });

    test('refuses a malformed request as a whole, and continues', async () => {
      const one = await ready();
      const batch = encodeBatch([{ frame: ROWS, ageMs: 0 }]);
      const gzip = { 'content-encoding': 'gzip' };
      const answers = [
        await one.postBytes('0', batch, 2),
        await one.postBytes('-1', batch, 2),
        await one.postBytes('two', batch, 2),
        await one.postBytes('1e1', batch, 2),
        await one.postBytes(2, batch, 2, { 'muster-sequence': undefined }),
        await one.get(undefined, { 'if-none-match': '*' }),
        await one.get(undefined, { 'if-none-match': '2' }),
        await one.get(undefined, { 'if-none-match': '"-2"' }),
        await one.postBytes(2, batch, 2, { 'content-type': 'application/json' }),
        await one.postBytes(2, batch, 2, { 'content-type': undefined }),
        await one.postBytes(2, batch, 2, { 'content-encoding': 'br' }),
        await one.postBytes(2, batch, 2, gzip),
        await one.postBytes(2, gzipSync(batch).subarray(0, -5), 2, gzip),
        await one.postBytes(2, gzipSync(Buffer.alloc(LIMITS.pollBodyBytes + 1)), 2, gzip),
        await one.postBytes(2, gzipSync(Buffer.alloc(50_000_000)), 2, gzip),
      ];
      expect(answers.map(({ status }) => status)).toEqual([
        ...Array.from({ length: 8 }, () => 400),
        ...[415, 415, 415, 400, 400, 413, 413],
      ]);
      expect(await one.postBytes(2, gzipSync(batch), 2, gzip)).toMatchObject({ status: 204 });
      expect(await one.post(3, [ROWS], 2)).toMatchObject({ status: 204 });
    });

    test('accepts a batch of the largest size, also chunked, and refuses one byte more', async () => {
      const one = await ready();
      const filling = (bytes: number): Uint8Array => {
        const half = (bytes - 16) / 2;
        const frames = [Math.floor(half), Math.ceil(half)].map((size) =>
          encodeFrame(FRAME.rows, 7, Buffer.alloc(size - 8), 0),
        );
        return encodeBatch(frames.map((frame) => ({ frame, ageMs: 0 })));
      };
      const full = filling(LIMITS.pollBodyBytes);
      expect(full).toHaveLength(LIMITS.pollBodyBytes);
      expect(await one.postBytes(2, full, 2)).toMatchObject({ status: 204 });
      expect(await one.postBytes(3, full, 2, { 'transfer-encoding': 'chunked' })).toMatchObject({ status: 204 });
      const larger = await one.postBytes(4, filling(LIMITS.pollBodyBytes + 1), 2).then(
        ({ status }) => status,
        // The connection may be cut while the rest of the body is still being sent.
        () => 413,
      );
      expect(larger).toBe(413);
      expect(await one.post(4, [ROWS], 2)).toMatchObject({ status: 204 });
    });

    test('ends with DELETE', async () => {
      const one = await ready();
      const left = await one.leave();
      expect([left.status, left.body.length]).toEqual([204, 0]);
      expect(await one.get(2)).toMatchObject(ended(1000));
      expect(await one.leave()).toMatchObject(ended(1000));
    });

    test('is found only by its name', async () => {
      const one = await ready();
      const other = peer();
      for (const name of ['x', randomBytes(40).toString('base64url'), `${one.session}x`, one.session.slice(0, -1)]) {
        other.session = name;
        expect(await other.get(2)).toMatchObject(ended(1001));
      }
      other.session = one.session;
      expect(await other.get(2)).toMatchObject({ status: 304 });
    });

    test('is closed as superseded when a newer one of the same agent is ready', async () => {
      const { token, helloTo } = await gateways.agent();
      const [older, newer] = [peer(), peer()];
      for (const one of [older, newer]) {
        const challenge = (await one.open(token)).frames[0]?.frame ?? new Uint8Array(0);
        expect(types(await one.post(1, [helloTo(challenge)], 1))).toEqual([FRAME.welcome]);
      }
      expect(await older.get(2)).toMatchObject(ended(4502));
      expect(await newer.get(2)).toMatchObject({ status: 304 });
    });
  });
});

test('a session ends when HELLO does not arrive in time, also while it is polled', async () => {
  const beganMs = performance.now();
  const ends = MATRIX.map(async ({ transport, secure }) => {
    const one = new PollPeer(gateways.wire(transport, secure));
    peers.push(one);
    await one.open((await gateways.agent()).token);
    let answer = await one.get(1);
    for (; answer.status === 304; answer = await one.get(1)) await delay(100);
    return answer;
  });
  for (const answer of await Promise.all(ends)) expect(answer).toMatchObject(ended(4002));
  expect(performance.now() - beganMs).toBeGreaterThan(LIMITS.helloDeadlineMs - 500);
});
