import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import type { AppendResult, StreamStore } from '@muster/bus';
import { decodePosture, encodePosture, STREAM_SUBJECTS, STREAMS, type FeedUpload } from '@muster/records';
import { silentLogger, systemClock } from '@muster/runtime';
import { ORG, osv } from '../testing/vulnerability-fixture.js';
import { FeedLibrary } from './feed-library.js';
import { FeedRequests } from './feed-requests.js';

const BY = { id: 'a', name: 'A' };
const DAY_MS = 24 * 60 * 60 * 1_000;

let broker: MemoryBroker;
let streams: StreamStore;
let nowMs: number;
const stops: (() => Promise<void>)[] = [];

async function start(own: Partial<StreamStore> = {}) {
  const { streams: real } = broker.connect();
  const store = new Proxy(real as StreamStore, {
    get: (target, key: keyof StreamStore): unknown => {
      const value: unknown = own[key] ?? target[key];
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const clock = { ...systemClock, now: () => nowMs };
  const feeds = new FeedLibrary({ streams: store, clock, logger: silentLogger });
  await feeds.start();
  stops.push(() => feeds.stop());
  const requests = new FeedRequests(feeds);
  const begin = async (name = 'f'): Promise<string> => feeds.begin(ORG, name, 'osv');
  const send = async (upload: string, ids: readonly string[] = ['A']): Promise<void> => {
    for (const [part, id] of ids.entries()) {
      const data = deflateRawSync(osv(id, 'curl', '2'));
      await requests.handle({ ...{ t: 'store_feed_part', org: ORG, name: 'f', upload, part, data }, ...NO_FAULTS });
    }
  };
  const end = (upload: string, parts = 1) => feeds.end({ org: ORG, name: 'f', upload, parts, by: BY });
  return { feeds, requests, begin, send, end };
}
const NO_FAULTS = { refused: 0, faults: [] };

const partsOf = async (upload: string): Promise<number> => {
  let count = 0;
  const subject = STREAM_SUBJECTS.feedParts(ORG, 'f', upload);
  for await (const _ of streams.read(STREAMS.feedParts.name, { subject })) count += 1;
  return count;
};

beforeEach(async () => {
  nowMs = Date.now();
  broker = new MemoryBroker();
  ({ streams } = broker.connect());
  await streams.ensure(Object.values(STREAMS));
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

test('an upload that cannot be closed gets no record, and who asks again ends it', async () => {
  let isAway = true;
  const append: StreamStore['append'] = async (subject, data, options) => {
    const isClose =
      subject === STREAM_SUBJECTS.feedUpload(ORG, 'f') && decodePosture<FeedUpload>(data.slice()).isOver === true;
    if (isClose && isAway) return { kind: 'unavailable', maybeStored: false, cause: new Error('away') } as AppendResult;
    return streams.append(subject, data, options);
  };
  const { feeds, begin, send, end } = await start({ append });
  const upload = await begin();
  await send(upload);
  await expect(end(upload)).rejects.toMatchObject({ code: 'broker_unavailable' });
  expect(feeds.list(ORG)).toEqual([]);
  isAway = false;
  expect(await end(upload)).toMatchObject({ upload, records: 1 });
  await begin();
  expect(await partsOf(upload)).toBe(1);
});

test('the parts of the version that counts stay, also where its upload was left open', async () => {
  const { begin, send, end } = await start();
  const upload = await begin();
  await send(upload);
  await end(upload);
  const open: FeedUpload = { t: 'upload', org: ORG, name: 'f', kind: 'osv', upload, atMs: nowMs };
  await streams.append(STREAM_SUBJECTS.feedUpload(ORG, 'f'), encodePosture(open));
  await begin();
  expect(await partsOf(upload)).toBe(1);
});

test('the end of an upload asked again gives the same record and takes nothing away', async () => {
  const [one, other] = [await start(), await start()];
  const upload = await one.begin();
  await one.send(upload, ['A', 'B']);
  const record = await one.end(upload, 2);
  expect([await one.end(upload, 2), await other.end(upload, 2)]).toEqual([record, record]);
  expect(await partsOf(upload)).toBe(2);
  await one.feeds.delete(ORG, 'f', BY);
  await expect(other.end(upload, 2)).rejects.toMatchObject({ code: 'not_found' });
});

test('an upload that begins while the one before is summed leaves it without a record', async () => {
  let begun: Promise<string> | undefined;
  const other = await start();
  const { feeds, begin, send, end } = await start({
    read: async function* (stream, options) {
      yield* streams.read(stream, options);
      if (stream === STREAMS.feedParts.name) await (begun ??= other.begin());
    },
  });
  const upload = await begin();
  await send(upload);
  await expect(end(upload)).rejects.toMatchObject({ code: 'not_found' });
  expect([feeds.list(ORG), await partsOf(upload)]).toEqual([[], 0]);
  await expect(other.send((await begun) ?? '')).resolves.toBeUndefined();
});

test('one that died between close and record is ended by another, or its parts go with the next version', async () => {
  const dead = await start();
  const close = async (upload: string): Promise<void> => {
    const over: FeedUpload = { t: 'upload', org: ORG, name: 'f', kind: 'osv', upload, atMs: nowMs, isOver: true };
    await streams.append(STREAM_SUBJECTS.feedUpload(ORG, 'f'), encodePosture(over));
  };
  const first = await dead.begin();
  await dead.send(first);
  await close(first);
  expect(await dead.end(first)).toMatchObject({ upload: first, records: 1 });
  const second = await dead.begin();
  await dead.send(second);
  await close(second);
  const third = await dead.begin();
  expect(await partsOf(second)).toBe(1);
  await dead.send(third);
  await dead.end(third);
  expect(await Promise.all([first, second, third].map(partsOf))).toEqual([0, 0, 1]);
});

test('uploads that nobody goes on with do not count for ever', async () => {
  const { begin } = await start();
  for (let i = 0; i < 32; i += 1) await begin(`f${i}`);
  await expect(begin('more')).rejects.toMatchObject({ code: 'bad_feed' });
  nowMs += DAY_MS;
  await expect(begin('more')).resolves.toBeDefined();
});

test('no more parts are read at once than may be, however many come together', async () => {
  const { begin, requests } = await start();
  const upload = await begin();
  const data = deflateRawSync(osv('A', 'curl', '2'));
  const sent = await Promise.allSettled(
    Array.from({ length: 6 }, (_, part) =>
      requests.handle({ t: 'store_feed_part', org: ORG, name: 'f', upload, part, data, ...NO_FAULTS }),
    ),
  );
  expect(sent.filter(({ status }) => status === 'fulfilled')).toHaveLength(2);
});

test('an upload that is begun at two instances is one, and a deletion at two is made once: both say so', async () => {
  const [one, two] = [await start(), await start()];
  const begin = (at: typeof one, changeId: string) => at.feeds.begin(ORG, 'f', 'osv', { changeId });
  const upload = await begin(one, 'c1');
  expect(await begin(two, 'c1')).toBe(upload);
  await two.send(upload);
  await one.end(upload);
  const [first, second] = await Promise.all([begin(one, 'c2'), begin(two, 'c2')]);
  expect(second).toBe(first);
  expect(await begin(two, 'c3')).not.toBe(first);
  const remove = (at: typeof one, changeId: string) => at.feeds.delete(ORG, 'f', BY, { changeId });
  await Promise.all([remove(one, 'c4'), remove(two, 'c4')]);
  await Promise.all([one.feeds.current(), two.feeds.current()]);
  await remove(two, 'c4');
  await expect(remove(one, 'c5')).rejects.toMatchObject({ code: 'not_found' });
  expect(await partsOf(upload)).toBe(0);
});
