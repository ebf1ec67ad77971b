import { expect, test } from '@jest/globals';
import { StreamError, type StreamErrorCode } from '@muster/bus';
import { systemClock } from '@muster/runtime';
import { TimedReader } from './timed-reader.js';

async function* failing(code: StreamErrorCode): AsyncGenerator<number> {
  yield 1;
  await Promise.resolve();
  throw new StreamError(code, 'on purpose');
}

const readerOf = (source: AsyncIterable<number>) => new TimedReader(source, systemClock);

test('a stream that cannot be read is an error, and not the end', async () => {
  const reader = readerOf(failing('unavailable'));
  expect(await reader.next(1_000)).toBe(1);
  for (let n = 0; n < 2; n += 1) await expect(reader.next(1_000)).rejects.toMatchObject({ code: 'broker_unavailable' });
});

test.each(['no_stream', 'stream_reset'] as const)('a stream that is gone (%s) is told as lost', async (code) => {
  const reader = readerOf(failing(code));
  expect([await reader.next(1_000), await reader.next(1_000)]).toEqual([1, 'lost']);
});

test('a source that has no more ends', async () => {
  const none = (async function* (): AsyncGenerator<number> {})();
  expect(await readerOf(none).next(1_000)).toBe('ended');
});
