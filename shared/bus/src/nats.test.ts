import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort, startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { text, untext } from './testing/broker-fixture.js';
import { connectNats } from './connect-nats.js';
import { busContract, followContract, streamStoreContract, type BrokerFixture } from './testing/index.js';
import { followView } from './follow-view.js';

async function makeFixture(): Promise<BrokerFixture> {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-bus-'));
  const server = await startNats({ dataDir, logger: silentLogger });
  return {
    connect: () => connectNats({ servers: [server.url], name: 'contract', logger: silentLogger }),
    interrupt: () => server.kill9(),
    restore: () => server.restart(),
    stop: async () => {
      await server.stop();
      await rm(dataDir, { recursive: true });
    },
  };
}

busContract('nats', makeFixture);
streamStoreContract('nats', makeFixture);
followContract('nats', makeFixture);

describe('nats', () => {
  let dataDir: string;
  let server: NatsHandle;
  const connect = (more: { maxUnreadBytes?: number } = {}) =>
    connectNats({ servers: [server.url], name: 'test', logger: silentLogger, ...more });

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-bus-'));
    server = await startNats({ dataDir, logger: silentLogger });
  });
  afterAll(async () => {
    await server.stop();
    await rm(dataDir, { recursive: true });
  });

  it('that cannot be reached is named in one error, without the credentials', async () => {
    const servers = [`nats://user:hidden@127.0.0.1:${await freePort()}`];
    const connecting = connectNats({ servers, name: 'test', logger: silentLogger, startTimeoutMs: 600 });
    const error = await connecting.catch((failure: unknown) => failure);
    expect(error).toMatchObject({ name: 'NatsUnreachableError' });
    expect(String(error)).toMatch(/cannot reach nats at nats:\/\/127\.0\.0\.1:\d+ within 600 ms/);
    expect(String(error)).not.toContain('hidden');
  });

  it('that is too slow makes publish drop instead of memory grow', async () => {
    const broker = await connect({ maxUnreadBytes: 2_000_000 });
    expect(await broker.bus.flush()).toBe(true);
    process.kill(server.pid!, 'SIGSTOP');
    try {
      const results = Array.from({ length: 60 }, () => broker.bus.publish('slow', new Uint8Array(100_000)));
      expect(results.filter((result) => result === 'sent')).toHaveLength(20);
      expect(broker.bus.stats().dropped).toBe(40);
      expect(await broker.bus.flush(50)).toBe(false);
    } finally {
      process.kill(server.pid!, 'SIGCONT');
    }
    await eventually(() => broker.bus.publish('slow', new Uint8Array(100_000)) === 'sent');
    await broker.stop();
  });

  it('that hangs does not hold up a reader that is stopped', async () => {
    const broker = await connect();
    await broker.streams.ensure([{ name: 'HANG', subjects: ['hang.>'] }]);
    process.kill(server.pid!, 'SIGSTOP');
    try {
      const stopping = new AbortController();
      const reader = broker.streams.read('HANG', { follow: true, signal: stopping.signal })[Symbol.asyncIterator]();
      const reading = reader.next();
      // By then it has asked the server, which does not answer.
      for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      const sinceMs = performance.now();
      stopping.abort();
      expect(await reading).toEqual({ done: true, value: undefined });
      expect(performance.now() - sinceMs).toBeLessThan(2_000);
    } finally {
      process.kill(server.pid!, 'SIGCONT');
    }
    await broker.stop();
  });

  it('without JetStream still carries messages, and says that nothing is kept', async () => {
    const plain = await startNats({ dataDir: join(dataDir, 'plain'), logger: silentLogger, jetstream: false });
    const broker = await connectNats({ servers: [plain.url], name: 'test', logger: silentLogger });
    expect(await broker.bus.request('nobody', text('x'), { timeoutMs: 1_000 })).toEqual({ kind: 'no_responders' });
    expect(await broker.streams.append('a', text('x'))).toMatchObject({ kind: 'unavailable', maybeStored: false });
    await broker.stop();
    await plain.stop();
  });

  it('sends a reader that has stopped taking no more than a few megabytes ahead', async () => {
    const broker = await connect();
    await broker.streams.ensure([{ name: 'BIG', subjects: ['big.>'] }]);
    for (let i = 0; i < 100; i++) await broker.streams.append('big.a', new Uint8Array(300_000));
    const before = await bytesOut(server);
    const reader = broker.streams.read('BIG', { batch: 1_000 })[Symbol.asyncIterator]();
    await reader.next();
    await broker.bus.flush();
    await broker.bus.flush();
    expect((await bytesOut(server)) - before).toBeLessThan(6_000_000);
    await reader.return?.();
    await broker.stop();
  });

  it('that lost its streams is noticed by readers, and views begin again', async () => {
    const broker = await connect();
    const streams = [{ name: 'FORGETFUL', subjects: ['forgetful.>'] }];
    await broker.streams.ensure(streams);
    for (const value of ['1', '2', '3']) await broker.streams.append(`forgetful.${value}`, text(value));
    const reading = (async () => {
      for await (const entry of broker.streams.read('FORGETFUL', { follow: true })) void entry;
    })().catch((error: unknown) => error);
    let seen: string[] = [];
    const view = await followView(broker.streams, {
      stream: 'FORGETFUL',
      apply: (entry) => seen.push(untext(entry.data)),
      reset: () => (seen = []),
      logger: silentLogger,
    });
    expect(seen).toEqual(['1', '2', '3']);
    await server.kill9();
    await rm(join(dataDir, 'jetstream'), { recursive: true });
    await server.restart();
    await eventually(() => broker.bus.connected);
    await broker.streams.ensure(streams);
    await broker.streams.append('forgetful.new', text('new'));
    expect(await reading).toMatchObject({ name: 'StreamError' });
    await eventually(() => seen.join() === 'new');
    await view.stop();
    await broker.stop();
  });
});

/** What the server has sent to clients, by its own count. */
async function bytesOut(server: NatsHandle): Promise<number> {
  const response = await fetch(`${server.monitorUrl}/varz`);
  const { out_bytes: bytes } = (await response.json()) as { out_bytes: number };
  return bytes;
}
