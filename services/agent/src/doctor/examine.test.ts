import { Agent } from 'node:http';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { FakeGateway, type FakeGatewayOptions } from '../testing/fake-gateway.js';
import { examine, type Examination } from './examine.js';

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function gateway(options?: FakeGatewayOptions): Promise<string> {
  const started = await FakeGateway.start(options);
  cleanups.push(() => started.stop());
  return started.url;
}

async function hops(examination: Examination): Promise<string[]> {
  const lines: string[] = [];
  for await (const { hop, ok } of examine(examination)) lines.push(`${hop} ${ok ? 'ok' : 'fails'}`);
  return lines;
}

/** A port that takes connections and says `greeting`, or nothing. */
async function mute(greeting?: string): Promise<number> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => {});
    cleanups.push(() => void socket.destroy());
    if (greeting !== undefined) socket.write(greeting);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => void server.close());
  return (server.address() as { port: number }).port;
}

/** A hop that fails by time takes this long; one that works on a busy machine takes less. */
const TIMEOUT_MS = 750;

describe('the doctor', () => {
  test('reports no fault on a path that works', async () => {
    expect(await hops({ url: await gateway(), token: 't' })).toEqual(['dns ok', 'tcp ok', 'upgrade ok', 'ping ok']);
  });

  test('names the hop that fails', async () => {
    expect(await hops({ url: 'ws://does-not-exist.invalid/v1/live' })).toEqual(['dns fails']);
    expect(await hops({ url: 'ws://127.0.0.1:1/v1/live' })).toEqual(['dns ok', 'tcp fails']);
    expect(await hops({ url: `wss://127.0.0.1:${await mute('no TLS here')}/v1/live` })).toEqual([
      'dns ok',
      'tcp ok',
      'tls fails',
    ]);
    expect(await hops({ url: `wss://127.0.0.1:${await mute()}/v1/live`, timeoutMs: TIMEOUT_MS })).toEqual([
      'dns ok',
      'tcp ok',
      'tls fails',
    ]);
    expect(await hops({ url: `ws://127.0.0.1:${await mute()}/v1/live`, timeoutMs: TIMEOUT_MS })).toEqual([
      'dns ok',
      'tcp ok',
      'upgrade fails',
    ]);
  });

  test('an answer that never ends is given up', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.write('HTTP/1.1 403 Forbidden\r\n\r\n');
      const trickle = setInterval(() => socket.write('x'), 10);
      cleanups.push(
        () => clearInterval(trickle),
        () => void socket.destroy(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => void server.close());
    const { port } = server.address() as { port: number };
    expect(await hops({ url: `ws://127.0.0.1:${port}/v1/live`, timeoutMs: TIMEOUT_MS })).toEqual([
      'dns ok',
      'tcp ok',
      'upgrade fails',
    ]);
  });

  test('distinguishes the refusal of a gateway from the answer of a proxy', async () => {
    const proxy = await gateway({ refuse: () => ({ status: 502, body: 'bad gateway' }) });
    expect(await hops({ url: proxy })).toEqual(['dns ok', 'tcp ok', 'upgrade fails']);
    const refusing = await gateway({ refuse: () => ({ status: 401, body: { code: 'unauthenticated' } }) });
    expect(await hops({ url: refusing })).toEqual(['dns ok', 'tcp ok', 'upgrade ok']);
    expect(await hops({ url: refusing, token: 'expired' })).toEqual(['dns ok', 'tcp ok', 'upgrade fails']);
  });

  /** What is found when Poll is looked at too; the last line's words as well. */
  async function withPoll(options: FakeGatewayOptions, more: Partial<Examination> = {}): Promise<[string[], string]> {
    const url = await gateway(options);
    const agent = new Agent({ keepAlive: true });
    cleanups.push(() => agent.destroy());
    const poll = { url: url.replace('ws:', 'http:').replace('/live', '/poll'), agent };
    const lines: string[] = [];
    let last = '';
    for await (const { hop, ok, detail } of examine({ url, token: 't', poll, ...more })) {
      lines.push(`${hop} ${ok ? 'ok' : 'fails'}`);
      last = detail;
    }
    return [lines.slice(2), last];
  }

  test('a gateway that saw no upgrade shows that something removed it', async () => {
    const url = await gateway({ refuse: () => ({ status: 426, body: { code: 'upgrade_required' } }) });
    const advice: (string | undefined)[] = [];
    for await (const hop of examine({ url, token: 't' })) advice.push(hop.advice);
    expect(advice.at(-1)).toContain('may not pass WebSocket upgrades');
  });

  test('opens a poll session and ends it', async () => {
    expect(await withPoll({})).toEqual([['upgrade ok', 'ping ok', 'poll ok'], 'a session was opened, and ended']);
  });

  test('where nothing upgrades but Poll works, it says that the agent will poll', async () => {
    const [lines, detail] = await withPoll({ refuse: () => ({ status: 502 }) });
    expect(lines).toEqual(['upgrade fails', 'poll ok']);
    expect(detail).toContain('the agent will poll');
  });

  test('says when Poll does not work either, and distinguishes the refusal of a gateway from the answer of a proxy', async () => {
    const refuse = () => ({ status: 502 });
    const [lines, detail] = await withPoll({ refuse, refusePoll: refuse });
    expect(lines).toEqual(['upgrade fails', 'poll fails']);
    expect(detail).toContain('not from a gateway');
    const [, own] = await withPoll({ refusePoll: () => ({ status: 503, body: { code: 'gateway_full' } }) });
    expect(own).toBe('the gateway refused: 503 gateway_full');
    const unenrolled = () => ({ status: 401, body: { code: 'unauthenticated' } });
    const [open] = await withPoll({ refuse: unenrolled, refusePoll: unenrolled }, { token: undefined });
    expect(open).toEqual(['upgrade ok', 'poll ok']);
  });

  test('tests only the mode that the agent is pinned to', async () => {
    expect((await withPoll({}, { pin: 'live' }))[0]).toEqual(['upgrade ok', 'ping ok']);
    expect((await withPoll({ refuse: () => ({ status: 502 }) }, { pin: 'poll' }))[0]).toEqual(['poll ok']);
  });

  test('a gateway that never answers a poll is given up', async () => {
    const agent = new Agent();
    const poll = { url: `http://127.0.0.1:${await mute()}/v1/poll`, agent };
    const found: string[] = [];
    for await (const { hop, ok } of examine({ url: await gateway(), token: 't', poll, timeoutMs: TIMEOUT_MS }))
      found.push(`${hop} ${ok ? 'ok' : 'fails'}`);
    expect(found.at(-1)).toBe('poll fails');
  });
});
