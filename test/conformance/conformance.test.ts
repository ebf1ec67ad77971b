import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { encodeFrame, FRAME, LIMITS } from '@muster/protocol';
import { BROKEN_FRAMES, BROKEN_MESSAGES, CLOSES, UNMASKED, UNMASKED_AND_MORE, type UnmaskedCase } from './cases.js';
import { closing, fragments, frame, OP } from './frames.js';
import { Gateways, HEARTBEAT_LIMIT_MS, welcomed } from './gateways.js';
import { upgradeLines, type Ending, type RawClient } from './raw-client.js';

/** The table in docs/protocol.md, line by line, with raw bytes. */

let gateways: Gateways;
beforeAll(async () => {
  gateways = await Gateways.start();
});
afterAll(() => gateways.stop());
afterEach(() => gateways.dropAll());

/** Enough for a busy machine, and shorter than any deadline. */
const AT_ONCE_MS = 3_000;

/** For tests that wait concurrently. */
async function endingsOf(
  open: () => Promise<{ client: RawClient }>,
  cases: readonly UnmaskedCase[],
): Promise<{ ends: Record<string, Ending>; tookMs: number }> {
  const clients = await Promise.all(cases.map(open));
  const startMs = performance.now();
  const ends = await Promise.all(
    cases.map(async ({ what, bytes }, i) => {
      clients[i]?.client.send(bytes);
      return [what, (await clients[i]?.client.ended) ?? 'dropped'] as const;
    }),
  );
  return { ends: Object.fromEntries(ends), tookMs: performance.now() - startMs };
}

const all1002 = (cases: readonly UnmaskedCase[]): Record<string, Ending> =>
  Object.fromEntries(cases.map(({ what }) => [what, 1002]));

const MATRIX = (['uws', 'ws'] as const).flatMap((transport) =>
  [false, true].map((secure) => ({ transport, secure, wire: secure ? 'TLS' : 'TCP' })),
);

describe.each(MATRIX)('a gateway over $transport and $wire', ({ transport, secure }) => {
  const ready = (): Promise<RawClient> => gateways.ready(transport, secure);

  describe('the handshake', () => {
    const asked = async (change: Record<string, string | undefined>, start?: string) => {
      const authorization = `Bearer ${await gateways.token()}`;
      return gateways.connect(transport, secure).request(upgradeLines({ authorization, ...change }), start);
    };

    test('is accepted with the key of RFC 6455’s example, with headers in any case and order', async () => {
      const { status, head } = await asked({
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'sec-websocket-protocol': 'chat, muster.v1',
        upgrade: 'WebSocket',
        connection: 'keep-alive, UPGRADE',
        'sec-websocket-extensions': 'permessage-deflate',
      });
      expect(status).toBe(101);
      expect(head).toMatch(/^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=$/im);
      expect(head).toMatch(/^sec-websocket-protocol: muster\.v1$/im);
      expect(head).not.toMatch(/^sec-websocket-extensions/im);
    });

    test.each([
      ['no key', { 'sec-websocket-key': undefined }, 400],
      ['an empty key', { 'sec-websocket-key': '' }, 400],
      ['a key of 15 bytes', { 'sec-websocket-key': Buffer.alloc(15).toString('base64') }, 400],
      ['a key of 17 bytes', { 'sec-websocket-key': Buffer.alloc(17).toString('base64') }, 400],
      ['a key that is no base64', { 'sec-websocket-key': '!!!!!!!!!!!!!!!!!!!!!!==' }, 400],
      ['no version', { 'sec-websocket-version': undefined }, 426],
      ['version 8', { 'sec-websocket-version': '8' }, 426],
      ['version 14', { 'sec-websocket-version': '14' }, 426],
      ['no subprotocol', { 'sec-websocket-protocol': undefined }, 426],
      ['another subprotocol', { 'sec-websocket-protocol': 'muster.v0' }, 426],
      ['no Upgrade', { upgrade: undefined }, 426],
      ['another Upgrade', { upgrade: 'h2c' }, 426],
      ['no Connection', { connection: undefined }, 426],
      ['an Origin', { origin: 'https://example.com' }, 403],
      ['an Origin of null', { origin: 'null' }, 403],
      ['an empty Origin', { origin: '' }, 403],
      ['a body', { 'content-length': '1' }, 400],
      ['a list as Host', { host: 'a, b' }, 400],
      ['no Host', { host: undefined }, 400],
      ['no token', { authorization: undefined }, 401],
    ])('with %s is refused', async (what, change, status) => {
      const answer = await asked(change);
      expect(answer.status).toBe(status);
      if (what.includes('version')) expect(answer.head).toMatch(/^sec-websocket-version: 13$/im);
      if (what.includes('subprotocol')) expect(answer.head).toMatch(/^sec-websocket-protocol: muster\.v1$/im);
      if (what.endsWith('Upgrade')) expect(answer.head).toMatch(/^upgrade: websocket$/im);
    });

    test('on another path, or with another method, is refused', async () => {
      expect((await asked({}, 'GET /v1/other HTTP/1.1')).status).toBe(404);
      expect((await asked({ 'content-length': '0' }, 'POST /v1/live HTTP/1.1')).status).toBe(405);
    });
  });

  describe('messages', () => {
    const helloIn = async (cut: (hello: Uint8Array) => Uint8Array | readonly Uint8Array[]): Promise<RawClient> => {
      const { client, hello } = await gateways.challenged(transport, secure);
      const bytes = cut(hello);
      for (const piece of bytes instanceof Uint8Array ? [bytes] : bytes) {
        client.send(piece);
        // Each piece in a write of its own.
        await new Promise((resolve) => setImmediate(resolve));
      }
      await welcomed(client);
      return client;
    };
    const singly = (bytes: Uint8Array): Buffer[] => [...bytes].map((byte) => Buffer.from([byte]));

    test('whole, in two fragments, and with a length in a longer form than needed', async () => {
      await helloIn((payload) => frame({ opcode: OP.binary, payload }));
      await helloIn((hello) => fragments(OP.binary, [hello.subarray(0, 100), hello.subarray(100)]));
      await helloIn((payload) => frame({ opcode: OP.binary, payload, lengthForm: 'long' }));
    });

    test('in three thousand fragments, most of them empty, with pings between them', async () => {
      const client = await helloIn((hello) => {
        const pieces = Array.from({ length: 3_000 }, (_, i) => hello.subarray(i, i + 1));
        const pings = (i: number) =>
          i % 300 === 0 ? frame({ opcode: OP.ping, payload: Buffer.from(`${i}`) }) : Buffer.alloc(0);
        return fragments(OP.binary, pieces, pings);
      });
      const pongs = client.frames.filter(({ first }) => first === 0x8a).map(({ payload }) => payload.toString());
      expect(pongs).toEqual(Array.from({ length: 10 }, (_, i) => `${i * 300}`));
    });

    test('one byte at a time, headers and masks too', async () => {
      const client = await helloIn((hello) =>
        singly(
          fragments(OP.binary, [hello.subarray(0, 9), hello.subarray(9)], () =>
            frame({ opcode: OP.ping, payload: Buffer.from('x') }),
          ),
        ),
      );
      expect((await client.frame(0x8a)).payload.toString()).toBe('x');
    });

    test.each(BROKEN_FRAMES)('$what: uws $uws, ws $ws', async ({ bytes, [transport]: ending }) => {
      const client = await ready();
      client.send(bytes());
      expect(await client.ended).toBe(ending);
    });

    test.each(BROKEN_MESSAGES)('$what: uws $uws, ws $ws', async ({ bytes, [transport]: ending }) => {
      const client = await ready();
      client.send(bytes());
      expect(await client.ended).toBe(ending);
    });
  });

  describe('control frames', () => {
    test('pings of 0 to 125 bytes are answered with the same bytes, in order; unsolicited pongs are ignored', async () => {
      const client = await ready();
      for (let length = 0; length <= 125; length += 1) {
        client.send(frame({ opcode: OP.pong, payload: Buffer.alloc(125 - length, 7) }));
        client.send(frame({ opcode: OP.ping, payload: Buffer.alloc(length, length) }));
        await client.frame(0x8a, length);
      }
      const pongs = client.frames.filter(({ first }) => first === 0x8a);
      expect(pongs.map(({ second }) => second)).toEqual(Array.from({ length: 126 }, (_, i) => i));
      expect(pongs.every(({ payload }, i) => payload.equals(Buffer.alloc(i, i)))).toBe(true);
    });

    test('8 MiB of frames at once, with a ping after each 32 KiB: every ping is answered, and the session goes on', async () => {
      const client = await ready();
      // Rows of a query that is over.
      const rows = encodeFrame(FRAME.rows, 4_711, Buffer.alloc(32 * 1024));
      const one = Buffer.concat([frame({ opcode: OP.binary, payload: rows }), frame({ opcode: OP.ping })]);
      client.send(Buffer.concat(Array.from({ length: 256 }, () => one)));
      await client.frame(0x8a, 255);
      client.send(frame({ opcode: OP.ping, payload: Buffer.from('still here') }));
      expect((await client.frame(0x8a, 256)).payload.toString()).toBe('still here');
    });

    test.each(CLOSES)('a close $what: uws $uws, ws $ws', async ({ bytes, [transport]: ending }) => {
      const client = await ready();
      // Data after a close frame is ignored.
      client.send(Buffer.concat([bytes(), frame({ opcode: OP.ping })]));
      expect(await client.ended).toBe(ending);
      expect(client.frames.some(({ first }) => first === 0x8a)).toBe(false);
    });

    test('a close from both sides at once: one close frame each, then the end of TCP', async () => {
      const client = await ready();
      client.send(Buffer.concat([frame({ opcode: OP.binary }), frame({ opcode: OP.close, payload: closing(1000) })]));
      expect(await client.ended).toBe(1002);
      expect(client.frames.filter(({ first }) => first === 0x88)).toHaveLength(1);
    });

    test('frames of the gateway are not masked', async () => {
      const client = await ready();
      client.send(frame({ opcode: OP.close, payload: closing(1000) }));
      await client.ended;
      expect(client.frames.map(({ second }) => second & 0x80)).toEqual([0, 0, 0]);
    });
  });

  describe('half-open and half-closed connections', () => {
    test('a peer that ends its side is disconnected', async () => {
      const between = await ready();
      between.socket.end();
      expect(await between.ended).toBe('dropped');
      const within = await ready();
      within.socket.end(frame({ opcode: OP.binary, payload: Buffer.alloc(100) }).subarray(0, 50));
      expect(await within.ended).toBe('dropped');
    });
  });

  describe('frames without a mask', () => {
    test('end a session with 1002 at once when more bytes follow', async () => {
      const { ends, tookMs } = await endingsOf(async () => ({ client: await ready() }), UNMASKED_AND_MORE);
      expect(ends).toEqual(all1002(UNMASKED_AND_MORE));
      expect(tookMs).toBeLessThan(AT_ONCE_MS);
    });

    test('HELLO and a pong, both without a mask, end with 1002 at once', async () => {
      const { client, hello } = await gateways.challenged(transport, secure);
      const pong = frame({ opcode: OP.pong, masked: false, payload: Buffer.alloc(16, 0x82) });
      const startMs = performance.now();
      client.send(Buffer.concat([frame({ opcode: OP.binary, masked: false, payload: hello }), pong]));
      expect(await client.ended).toBe(1002);
      expect(performance.now() - startMs).toBeLessThan(AT_ONCE_MS);
    });
  });
});

describe('deadlines, over both transports and both wires at the same time', () => {
  test('a frame without a mask ends a session with 1002, whatever its opcode and length, within a heartbeat', async () => {
    const half = frame({ opcode: OP.binary, payload: Buffer.alloc(100) }).subarray(0, 50);
    const cases = [{ what: 'nothing', bytes: Buffer.alloc(0) }, { what: 'half a frame', bytes: half }, ...UNMASKED];
    await Promise.all(
      MATRIX.map(async ({ transport, secure }) => {
        const pinging = await gateways.ready(transport, secure);
        const pings = setInterval(() => pinging.send(frame({ opcode: OP.ping })), 2_000);
        const open = async () => ({ client: await gateways.ready(transport, secure) });
        const { ends, tookMs } = await endingsOf(open, cases);
        expect(ends).toEqual(all1002(cases));
        expect(tookMs).toBeLessThan(HEARTBEAT_LIMIT_MS);
        // A client that pings as often as required keeps its session.
        clearInterval(pings);
        pinging.send(frame({ opcode: OP.ping, payload: Buffer.from('still here') }));
        await pinging.until(() => pinging.frames.some(({ payload }) => payload.toString() === 'still here'));
      }),
    );
  });

  test.each([false, true])('ws detects it at once (TLS: %s)', async (secure) => {
    const transport = 'ws';
    const { ends, tookMs } = await endingsOf(
      async () => ({ client: await gateways.ready(transport, secure) }),
      UNMASKED,
    );
    expect(ends).toEqual(all1002(UNMASKED));
    expect(tookMs).toBeLessThan(AT_ONCE_MS);
  });

  test('before HELLO, or as HELLO, it ends with 1002 by the deadline; a silent client ends with 4002', async () => {
    await Promise.all(
      MATRIX.map(async ({ transport, secure }) => {
        const open = () => gateways.challenged(transport, secure);
        // A WebSocket client answers the ping that comes before the deadline.
        const silent = await polite(open);
        const unmaskedHello = await open();
        unmaskedHello.client.send(frame({ opcode: OP.binary, masked: false, payload: unmaskedHello.hello }));
        // An unmasked ping from a client whose pongs are masked.
        const mixed = await polite(open);
        mixed.send(frame({ opcode: OP.ping, masked: false }));
        // The answer to a ping brings the data of that ping (RFC 6455 §5.5.3).
        const bent = await polite(open, (data) => Buffer.from(data.with(-1, 0)));
        const shortened = await polite(open, (data) => data.subarray(1));
        const { ends, tookMs } = await endingsOf(open, UNMASKED);
        expect(ends).toEqual(all1002(UNMASKED));
        expect(tookMs).toBeLessThan(LIMITS.helloDeadlineMs + 3_000);
        expect(await Promise.all([unmaskedHello.client.ended, mixed.ended, silent.ended])).toEqual([1002, 1002, 4002]);
        expect(await Promise.all([bent.ended, shortened.ended])).toEqual([1002, 1002]);
      }),
    );
  });
});

/** A client that answers the first ping, with what `bend` makes of its data, and sends nothing else by itself. */
async function polite(
  open: () => Promise<{ client: RawClient }>,
  bend = (data: Buffer): Buffer => data,
): Promise<RawClient> {
  const { client } = await open();
  const answer = ({ payload }: { payload: Buffer }): void =>
    client.send(frame({ opcode: OP.pong, payload: bend(payload) }));
  client.frame(0x89).then(answer, () => undefined);
  return client;
}
