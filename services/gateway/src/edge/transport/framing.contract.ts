import { afterEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { trustedProxies } from '@muster/runtime';
import { CONTRACT_OPTIONS, Recorder } from './recorder.contract.js';
import type { Transport, TransportHandlers, TransportOptions } from './transport.js';

const CRLF = '\r\n';
const SMUGGLED = `GET /smuggled HTTP/1.1${CRLF}Host: a${CRLF}${CRLF}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const HELLO = `5${CRLF}hello${CRLF}0${CRLF}${CRLF}`;
const UPGRADE = [
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: muster.v1',
];

/** A request with `Host: a`, unless the lines have other ones. */
function post(lines: readonly string[], body = '', start = 'POST /v1/poll HTTP/1.1'): string {
  const host = lines.some((line) => /^host/i.test(line)) ? [] : ['Host: a'];
  return [start, ...host, ...lines.filter((line) => line !== 'host'), '', body].join(CRLF);
}

/** The end of these, or their receiver, is not clear. */
const UNCLEAR: readonly (readonly [string, string])[] = [
  ['two equal Content-Length', post(['Content-Length: 5', 'Content-Length: 5'], 'hello')],
  ['two Content-Length', post(['Content-Length: 5', 'Content-Length: 0'], 'hello')],
  ['a list as Content-Length', post(['Content-Length: 5, 5'], 'hello')],
  ['an empty Content-Length', post(['Content-Length:'], 'hello')],
  ['a Content-Length with a sign', post(['Content-Length: +5'], 'hello')],
  ['a Content-Length in hex', post(['Content-Length: 0x5'], 'hello')],
  ['Content-Length and Transfer-Encoding', post(['Content-Length: 5', CHUNKED], HELLO)],
  ['Transfer-Encoding and Content-Length', post([CHUNKED, 'Content-Length: 15'], HELLO)],
  ['an empty Transfer-Encoding and Content-Length', post(['Transfer-Encoding:', 'Content-Length: 5'], 'hello')],
  ['an empty Transfer-Encoding', post(['Transfer-Encoding:'])],
  ['chunked, identity', post([`${CHUNKED}, identity`], HELLO)],
  ['gzip, chunked', post(['Transfer-Encoding: gzip, chunked'], HELLO)],
  ['identity', post(['Transfer-Encoding: identity'], HELLO)],
  ['xchunked', post(['Transfer-Encoding: xchunked'], HELLO)],
  ['chunked twice', post([CHUNKED, CHUNKED], HELLO)],
  ['two Host', post(['Host: a', 'Host: b'])],
  ['two equal Host', post(['Host: a', 'Host: a'])],
  ['no Host', post(['host'])],
  ['an empty Host', post(['Host:'])],
  ['a list as Host', post(['Host: a, b'])],
  ['a bare LF after the request line', post(['Content-Length: 0']).replace(CRLF, '\n')],
  ['a bare LF after a field', post(['A: b', 'Content-Length: 0']).replace(`b${CRLF}`, 'b\n')],
  ['bare LFs', post(['Content-Length: 0']).replaceAll(CRLF, '\n')],
  ['a bare CR in a field', post(['A: b\rc', 'Content-Length: 0'])],
  ['a space before the colon', post(['Content-Length : 5'], 'hello')],
  ['a folded field', post(['A: b', ' c', 'Content-Length: 0'])],
  ['an upgrade with a body', post([...UPGRADE, 'Content-Length: 5'], 'hello', 'GET /live HTTP/1.1')],
  ['an upgrade with chunks', post([...UPGRADE, CHUNKED], HELLO, 'GET /live HTTP/1.1')],
  ['an upgrade with two Host', post([...UPGRADE, 'Host: a', 'Host: b'], '', 'GET /live HTTP/1.1')],
];
/** uWebSockets does not show this field, nor those behind it. */
const UNCLEAR_AND_UNSEEN: typeof UNCLEAR = [['a field without a name', post([': b', 'Content-Length: 5'], 'hello')]];

const BAD_CHUNKS = [
  ['a size ended by a bare LF', `5\nhello${CRLF}0${CRLF}${CRLF}`],
  ['a chunk ended by a bare LF', `5${CRLF}hello\n0${CRLF}${CRLF}`],
  ['a chunk ended by anything', `5${CRLF}helloXX0${CRLF}${CRLF}`],
  ['a size that is no hex', `g${CRLF}${'h'.repeat(16)}${CRLF}0${CRLF}${CRLF}`],
  ['an end with bare LFs', `5${CRLF}hello${CRLF}0\n\n`],
  ['a size in an extension', `5;\nhello${CRLF}0${CRLF}${CRLF}`],
].map(([, body]) => body ?? '');

/** How requests end is read as a strict proxy reads it, or they are refused: run against each transport with raw bytes. */
export function framingContract(
  name: string,
  make: (options: TransportOptions, handlers: TransportHandlers<string>) => Promise<Transport>,
): void {
  describe(`${name} transport, raw requests`, () => {
    let stop: () => void = () => undefined;
    const sockets: Socket[] = [];
    afterEach(() => {
      for (const socket of sockets.splice(0)) socket.destroy();
      stop();
    });

    async function listen(options: Partial<TransportOptions> = {}) {
      const recorder = new Recorder();
      const transport = await make({ ...CONTRACT_OPTIONS, ...options }, recorder);
      stop = () => transport.stop();
      return { recorder, port: await transport.listen() };
    }

    async function connect(port: number) {
      const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
      sockets.push(socket);
      socket.on('error', () => undefined);
      let text = '';
      socket.on('data', (bytes) => void (text += bytes.toString('latin1')));
      const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
      await once(socket, 'connect');
      return {
        socket,
        closed,
        statuses: () => [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status)),
      };
    }

    /** Sends bytes and a further request right behind them. Resolves with the statuses of all replies when the gateway has closed. */
    async function refusal(port: number, bytes: string): Promise<number[]> {
      const { socket, closed, statuses } = await connect(port);
      socket.write(Buffer.from(bytes + SMUGGLED, 'latin1'));
      await closed;
      return statuses();
    }

    it('refuses what two readers read differently, and takes nothing behind it for a request', async () => {
      const { recorder, port } = await listen();
      const cases = name === 'uws' ? UNCLEAR : [...UNCLEAR, ...UNCLEAR_AND_UNSEEN];
      const taken = await Promise.all(
        cases.map(async ([what, bytes]) =>
          (await refusal(port, bytes)).every((status) => status >= 400) ? [] : [what],
        ),
      );
      expect(taken.flat()).toEqual([]);
      expect([recorder.requests, recorder.upgrades]).toEqual([[], []]);
    });

    it('takes nothing for a request behind chunks that are not framed well', async () => {
      const { recorder, port } = await listen();
      await Promise.all(BAD_CHUNKS.map((body) => refusal(port, post([CHUNKED], body))));
      expect(recorder.requests.filter(({ path }) => path === '/smuggled')).toEqual([]);
    });

    it('takes chunks, with the name of the coding in any case', async () => {
      const { recorder, port } = await listen();
      const { socket, statuses } = await connect(port);
      socket.write(post(['Transfer-Encoding: Chunked'], HELLO));
      while (statuses().length === 0) await once(socket, 'data');
      expect(statuses()).toEqual([201]);
      expect(Buffer.from(recorder.requests[0]?.body ?? []).toString()).toBe('hello');
    });

    it('answers one request after the other on a connection', async () => {
      const { recorder, port } = await listen();
      const { socket, statuses } = await connect(port);
      for (let asked = 1; asked <= 3; asked += 1) {
        socket.write(post(['Content-Length: 5'], 'hello'));
        while (statuses().length < asked) await once(socket, 'data');
      }
      expect([statuses(), recorder.requests.length]).toEqual([[201, 201, 201], 3]);
    });

    it('tells an empty Origin from none', async () => {
      const { recorder, port } = await listen();
      const { socket, statuses } = await connect(port);
      socket.write(post(['Origin:', 'Content-Length: 0']));
      while (statuses().length === 0) await once(socket, 'data');
      const upgrade = await connect(port);
      upgrade.socket.write(post([...UPGRADE, 'Origin: '], '', 'GET /live HTTP/1.1'));
      while (upgrade.statuses().length === 0) await once(upgrade.socket, 'data');
      expect([recorder.requests[0]?.headers.origin, recorder.upgrades[0]?.origin]).toEqual(['', '']);
    });

    it('believes what a proxy added behind what the client sent, in a field of its own too', async () => {
      const { recorder, port } = await listen({ trustedProxies: trustedProxies(['127.0.0.0/8']) });
      const { socket, statuses } = await connect(port);
      socket.write(post(['X-Forwarded-For: 198.51.100.1', 'X-Forwarded-For: 192.0.2.7', 'Content-Length: 0']));
      while (statuses().length === 0) await once(socket, 'data');
      expect(recorder.requests[0]?.address).toBe('192.0.2.7');
    });

    // uWebSockets answers 505 where its first line is cut. Over TLS it gets records, which are whole.
    const anywhere = name === 'uws' ? 'at any byte behind its first line' : 'at any byte';
    it(`reads a request that TCP cuts ${anywhere}`, async () => {
      const { recorder, port } = await listen();
      const bytes = Buffer.from(post(['Content-Type: text/plain', 'Content-Length: 5'], 'hello'));
      const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      const wrong: [number, number[]][] = [];
      const from = name === 'uws' ? bytes.indexOf(CRLF) + CRLF.length : 1;
      for (let at = from; at < bytes.length; at += 1) {
        const { socket, closed, statuses } = await connect(port);
        await new Promise((resolve) => socket.write(bytes.subarray(0, at), resolve));
        // The transport reads in this process: it has the first part before the second is sent.
        for (let turns = 0; turns < 3; turns += 1) await turn();
        socket.write(bytes.subarray(at));
        while (statuses().length === 0)
          await Promise.race([once(socket, 'data'), closed.then(() => Promise.reject(new Error(`closed at ${at}`)))]);
        if (statuses()[0] !== 201) wrong.push([at, statuses()]);
        socket.destroy();
      }
      expect(wrong).toEqual([]);
      expect(recorder.requests.length).toBe(bytes.length - from);
    });
  });
}
