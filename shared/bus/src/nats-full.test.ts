import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import type { Broker } from './broker.js';
import { connectNats } from './connect-nats.js';
import type { AppendResult } from './stream-store.js';
import { text } from './testing/broker-fixture.js';

const STORE_BYTES = 12_000_000;
const ENTRY = new Uint8Array(100_000);

describe('nats whose storage is full', () => {
  let dataDir: string;
  let server: NatsHandle;
  let broker: Broker;
  let accepted: number[];

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-full-'));
    server = await startNats({ dataDir, logger: silentLogger, maxStoreBytes: STORE_BYTES });
    broker = await connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
    await broker.streams.ensure([
      { name: 'NEWS', subjects: ['news.>'] },
      { name: 'ENDS', subjects: ['ends.>'] },
    ]);
    // Fills up the reserve.
    await broker.streams.storage();
  });
  afterAll(async () => {
    await broker.stop();
    await server.stop();
    await rm(dataDir, { recursive: true });
  });
  beforeEach(async () => {
    accepted = [];
    for (let result = await append(); result.kind === 'appended'; result = await append()) accepted.push(result.seq);
  });

  const append = (): Promise<AppendResult> => broker.streams.append('news.a', ENTRY);

  it('says so, stores nothing of what it refused, keeps what it took, and lets it be read', async () => {
    const refused = await append();
    expect(refused).toMatchObject({ kind: 'unavailable', maybeStored: false });
    expect(refused).toMatchObject({ cause: { name: 'StreamError', code: 'storage_full' } });
    const read: number[] = [];
    for await (const { seq } of broker.streams.read('NEWS')) read.push(seq);
    expect(read).toEqual(accepted);
    expect((await broker.streams.last('NEWS', 'news.a'))?.seq).toBe(accepted.at(-1));
  });

  it('takes what is essential all the same, again and again, and nothing else', async () => {
    for (let n = 0; n < 100; n += 1) {
      expect(await broker.streams.append('ends.a', text(`end ${n}`), { essential: true })).toMatchObject({
        kind: 'appended',
      });
    }
    await broker.streams.storage();
    await append();
    expect(await append()).toMatchObject({ cause: { code: 'storage_full' } });
    expect(await broker.streams.storage()).toMatchObject({ limitBytes: undefined });
    const { usedBytes, streams } = await broker.streams.storage();
    expect(usedBytes).toBeGreaterThan(0.95 * STORE_BYTES);
    expect([...streams.keys()]).toEqual(expect.arrayContaining(['NEWS', 'ENDS']));
    expect([...streams.values()].reduce((sum, bytes) => sum + bytes)).toBe(usedBytes);
    expect(streams.get('NEWS')).toBeGreaterThan(0.5 * STORE_BYTES);
  });

  it('lets nothing else use up what is left for the essential', async () => {
    const { streams } = broker;
    for (let n = 0; n < 60; n += 1) {
      const end = await streams.append('ends.a', new Uint8Array(50_000), { essential: true });
      expect(end).toMatchObject({ kind: 'appended' });
      expect(await append()).toMatchObject({ kind: 'unavailable', cause: { code: 'storage_full' } });
    }
    await streams.purge('ENDS', 'ends.a');
  });

  it('nor do services that have not been refused anything yet: they are told when one of them needs it', async () => {
    const other = await connectNats({ servers: [server.url], name: 'other', logger: silentLogger });
    let told = 0;
    const listening = other.bus.subscribe('muster.v1.storage.short', () => void (told += 1));
    await other.bus.flush();
    // The block that was given up before may have left some room, which is used up first.
    await eventually(async () => {
      const end = await broker.streams.append('ends.b', new Uint8Array(64 * 1024), { essential: true });
      expect(end).toMatchObject({ kind: 'appended' });
      return told > 0;
    });
    // The moment in which a block is given up and what needs it is not stored yet.
    const keep = text(JSON.stringify({ keep: 15 }));
    await broker.bus.request('$JS.API.STREAM.PURGE.MUSTER_RESERVE', keep, { timeoutMs: 5_000 });
    expect(await other.streams.append('news.b', text('new'))).toMatchObject({ cause: { code: 'storage_full' } });
    listening.unsubscribe();
    await other.stop();
    await broker.streams.purge('ENDS', 'ends.b');
  });

  it('takes everything again, by itself, when there is room', async () => {
    await broker.streams.purge('NEWS', 'news.a', { beforeSeq: (accepted[0] ?? 0) + 20 });
    await eventually(async () => (await append()).kind === 'appended');
  });

  it('a stream that refuses what goes beyond its own limit is told as full too', async () => {
    const { streams, bus } = broker;
    await streams.purge('NEWS', 'news.a');
    const config = {
      name: 'CAPPED',
      subjects: ['capped.>'],
      discard: 'new',
      max_msgs: 1,
      storage: 'file',
      num_replicas: 1,
    };
    await bus.request('$JS.API.STREAM.CREATE.CAPPED', text(JSON.stringify(config)), { timeoutMs: 5_000 });
    await eventually(async () => (await streams.append('capped.a', text('1'))).kind === 'appended');
    expect(await streams.append('capped.a', text('2'))).toMatchObject({ cause: { code: 'storage_full' } });
  });
});

it('a limit that has room for what streams reserve once is enough for services that start together, and again', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'muster-full-'));
  const server = await startNats({ dataDir, logger: silentLogger, maxStoreBytes: 10 * STORE_BYTES });
  const connect = () => connectNats({ servers: [server.url], name: 'test', logger: silentLogger });
  const brokers = await Promise.all([connect(), connect(), connect()]);
  const bounded = [{ name: 'BOUNDED', subjects: ['bounded.>'], maxBytes: 8 * STORE_BYTES }];
  const other = [{ ...bounded[0]!, maxBytes: 7 * STORE_BYTES }];
  for (const definitions of [bounded, bounded, other, bounded]) {
    await Promise.all(brokers.map(({ streams }) => streams.ensure(definitions, { timeoutMs: 0 })));
  }
  for (const broker of brokers) await broker.stop();
  await server.stop();
  await rm(dataDir, { recursive: true });
});
