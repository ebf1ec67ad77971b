import { expect, test } from '@jest/globals';
import { selectorsOf } from '../act/fleet-target.js';
import { editLabels, labelsOf } from './edit-labels.js';

const agentIds = Array.from({ length: 400 }, (_, at) => `a${at}`);

test('when a later call fails, what the calls before it have changed is told', async () => {
  const broken = new Error('the server cannot be reached');
  const selectors = selectorsOf({ kind: 'agents', agentIds });
  const asked: string[] = [];
  const outcome = await editLabels(selectors, (selector) => {
    asked.push(selector);
    if (asked.length === 3) return Promise.reject(broken);
    return Promise.resolve({ matched: 150, changed: 100, unchanged: 49, failed: 1 });
  });
  expect(outcome).toEqual({
    edited: { matched: 300, changed: 200, unchanged: 98, failed: 2 },
    ...{ calls: 3, answered: 2, error: broken },
  });
});

test('all calls together are one edit, and nothing is asked after a failure', async () => {
  let asked = 0;
  const fail = (): Promise<never> => {
    asked += 1;
    return Promise.reject(new Error('no'));
  };
  expect(await editLabels(['a', 'b'], fail)).toMatchObject({ calls: 2, answered: 0 });
  expect(asked).toBe(1);
  expect(labelsOf('env=prod, a=b=c old')).toEqual({ env: 'prod', a: 'b=c', old: '' });
});
