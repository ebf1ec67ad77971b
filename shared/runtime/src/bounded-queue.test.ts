import { expect, test } from '@jest/globals';
import { BoundedQueue } from './bounded-queue.js';

test('items come out in the order they went in, through any mixture of push and shift', () => {
  const queue = new BoundedQueue<number>({ maxItems: 1_000 });
  const out: (number | undefined)[] = [];
  for (let i = 0; i < 500; i += 1) {
    queue.push(i);
    if (i % 3 !== 0) out.push(queue.shift());
  }
  out.push(...queue.drain());
  expect(out).toEqual(Array.from({ length: 500 }, (_, i) => i));
  expect([queue.shift(), queue.length]).toEqual([undefined, 0]);
});

test('a full queue refuses by name, keeps what it has, and takes again once there is room', () => {
  const queue = new BoundedQueue<string>({ maxItems: 2 });
  expect(['a', 'b', 'c'].map((item) => queue.push(item))).toEqual(['queued', 'queued', 'full']);
  expect(queue.shift()).toBe('a');
  expect(queue.push('d')).toBe('queued');
  expect(queue.drain()).toEqual(['b', 'd']);
});

test('the weight is bounded too, and follows what comes out', () => {
  const queue = new BoundedQueue<Uint8Array>({ maxItems: 10, maxWeight: 100, weigh: (bytes) => bytes.length });
  expect([queue.push(new Uint8Array(60)), queue.push(new Uint8Array(50)), queue.push(new Uint8Array(40))]).toEqual([
    'queued',
    'full',
    'queued',
  ]);
  expect(queue.weight).toBe(100);
  queue.shift();
  expect([queue.weight, queue.length]).toEqual([40, 1]);
  queue.drain();
  expect(queue.weight).toBe(0);
});
