import { expect, test } from '@jest/globals';
import { encodeBatch, encodeFrame, FRAME } from '@muster/protocol';
import { bytesByPurpose } from './batch-bytes.js';
import { purposeOf, webSocketHeadBytes } from './purpose.js';

const frames = [
  encodeFrame(FRAME.rows, 1, new Uint8Array(700)),
  encodeFrame(FRAME.report, 0, new Uint8Array(41)),
  encodeFrame(FRAME.queryEnd, 1, new Uint8Array(3)),
];

test('a batch is as large as its frames with their entries, by purpose', () => {
  const batch = encodeBatch(frames.map((frame) => ({ frame, ageMs: 0 })));
  expect(Object.fromEntries(bytesByPurpose(frames, batch.length))).toEqual({ query: 716 + 19, command: 57 });
});

test.each([1, 7, 100, 791])('the shares of a body that was compressed to %p bytes add up to it', (bodyBytes) => {
  const shares = bytesByPurpose(frames, bodyBytes);
  expect([...shares.values()].reduce((sum, bytes) => sum + bytes)).toBe(bodyBytes);
});

test('a batch without frames has no bytes', () => {
  expect(bytesByPurpose([], 0).size).toBe(0);
});

test('a frame has the purpose that the gateway sees in it', () => {
  const of = (type: number): string => purposeOf(Uint8Array.of(type));
  expect([of(FRAME.welcome), of(FRAME.mode), of(FRAME.credit), of(FRAME.reportKept)]).toEqual([
    'session',
    'session',
    'query',
    'command',
  ]);
});

test('the WebSocket header grows with the length of the message', () => {
  const sizes = [0, 125, 126, 65_535, 65_536];
  expect(sizes.map((bytes) => webSocketHeadBytes(bytes, false))).toEqual([2, 2, 4, 4, 10]);
  expect(sizes.map((bytes) => webSocketHeadBytes(bytes, true))).toEqual([6, 6, 8, 8, 14]);
});
