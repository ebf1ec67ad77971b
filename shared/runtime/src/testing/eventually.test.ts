import { expect, test } from '@jest/globals';
import { eventually } from './eventually.js';

test('resolves with the first truthy value', async () => {
  let asked = 0;
  expect(await eventually(() => (++asked < 3 ? undefined : asked))).toBe(3);
});

test('a condition that throws is asked again', async () => {
  let asked = 0;
  const condition = (): boolean => {
    if (++asked < 3) throw new Error('not yet');
    return true;
  };
  await eventually(condition);
  expect(asked).toBe(3);
});

test('reports which condition did not hold, and why', async () => {
  const condition = (): boolean => {
    throw new Error('connection refused');
  };
  await expect(eventually(condition, 'the gateway is healthy', 10)).rejects.toThrow(
    'not within 10 ms: the gateway is healthy: connection refused',
  );
});
