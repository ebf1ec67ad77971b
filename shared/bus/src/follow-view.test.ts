import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { followView } from './follow-view.js';
import { MemoryBroker, type MemoryConnection } from './memory.js';
import { StreamError, type Entry, type ReadOptions, type StreamErrorCode, type StreamStore } from './stream-store.js';
import { text, untext } from './testing/broker-fixture.js';

const STREAM = { name: 'VIEWED', subjects: ['viewed.>'], maxMsgsPerSubject: 1 };

let connection: MemoryConnection;
beforeEach(async () => {
  connection = new MemoryBroker().connect();
  await connection.streams.ensure([STREAM]);
  for (const tail of ['a', 'b', 'c']) await connection.streams.append(`viewed.${tail}`, text(tail));
});
afterEach(() => connection.stop());

/** Its readings end with these errors, one after the other, each after two entries; later ones do not. */
function breaking(codes: StreamErrorCode[]): StreamStore {
  const { streams } = connection;
  const read = async function* (stream: string, options: ReadOptions = {}): AsyncGenerator<Entry, void, undefined> {
    const code = codes.shift();
    if (code === undefined) return yield* streams.read(stream, options);
    for await (const entry of streams.read(stream)) {
      yield entry;
      if (entry.seq === 2) throw new StreamError(code, 'it broke off');
    }
  };
  return Object.assign(Object.create(streams) as StreamStore, { read });
}

async function view(codes: StreamErrorCode[]) {
  const seen = new Map<string, string>();
  let resets = 0;
  const followed = await followView(breaking(codes), {
    stream: STREAM.name,
    apply: (entry) => void seen.set(entry.subject, untext(entry.data)),
    reset: () => (resets += 1),
    logger: silentLogger,
  });
  return { followed, seen, resets: () => resets };
}

test('a view begins although the broker stalls at first, and then has everything', async () => {
  const { followed, seen, resets } = await view(['stalled', 'stalled']);
  expect([[...seen.values()], resets()]).toEqual([['a', 'b', 'c'], 0]);
  await followed.stop();
});

test('a view goes on when the broker stalls after the stream was made anew', async () => {
  const { followed, seen, resets } = await view(['stream_reset', 'stalled']);
  await connection.streams.append('viewed.d', text('d'));
  await eventually(() => seen.get('viewed.d') === 'd');
  expect([[...seen.values()], resets()]).toEqual([['a', 'b', 'c', 'd'], 1]);
  await followed.stop();
});

test('a view does not begin where the connection was ended', async () => {
  await expect(view(['unavailable'])).rejects.toMatchObject({ code: 'unavailable' });
});
