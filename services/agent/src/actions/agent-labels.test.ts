import { describe, expect, test } from '@jest/globals';
import type { Labels } from '@muster/protocol';
import { setLabels } from './agent-labels.js';
import { testCall, testHost } from './testing/action-harness.js';

function hostWith(labels: Labels) {
  let current = labels;
  const host = testHost({ labels: { read: () => current, write: (next) => (current = next) } });
  const call = (params: object, dryRun = false) =>
    testCall(host, 'agent.set_labels', { params: { ...params }, dryRun });
  return { call, current: () => current };
}

describe('agent.set_labels', () => {
  test('sets and removes labels, and saves the undo before it changes anything', async () => {
    const { call, current } = hostWith({ env: 'prod', tier: 'web' });
    const request = call({ set: { env: 'test', site: 'zrh' }, remove: ['tier', 'none'] });
    const result = await setLabels.run(request);
    expect(result).toMatchObject({ state: 'succeeded', effects: ['set env=test', 'removed tier', 'set site=zrh'] });
    expect(current()).toEqual({ env: 'test', site: 'zrh' });
    expect(request.kept.length).toBe(1);
    expect(await setLabels.undo!(call({}), request.kept[0]!)).toMatchObject({ state: 'succeeded' });
    expect(current()).toEqual({ env: 'prod', tier: 'web' });
  });

  test('undo skips labels that were changed again', async () => {
    const { call, current } = hostWith({ env: 'prod' });
    const request = call({ set: { env: 'test', site: 'zrh' } });
    await setLabels.run(request);
    await setLabels.run(call({ set: { env: 'dev' } }));
    await setLabels.undo!(call({}), request.kept[0]!);
    expect(current()).toEqual({ env: 'dev' });
  });

  test('a dry run and a request without changes change and save nothing', async () => {
    const { call, current } = hostWith({ env: 'prod' });
    const dry = call({ set: { env: 'test' }, remove: ['none'] }, true);
    expect(await setLabels.run(dry)).toMatchObject({ code: 'dry_run', effects: ['would set env=test'] });
    const same = call({ set: { env: 'prod' } });
    expect(await setLabels.run(same)).toMatchObject({ state: 'succeeded', code: 'unchanged' });
    expect([current(), dry.kept, same.kept]).toEqual([{ env: 'prod' }, [], []]);
  });

  test('too many labels are refused, and none is set', async () => {
    const many = Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`k${i}`, 'v']));
    const { call, current } = hostWith(many);
    expect(await setLabels.run(call({ set: { a: '1', b: '2' } }))).toMatchObject({
      state: 'refused',
      code: 'bad_params',
    });
    expect(current()).toEqual(many);
  });
});
