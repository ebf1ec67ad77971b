import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ACTIONS, parseParams } from '@muster/actions';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeAll(async () => {
  api = await ApiFixture.start();
});
afterAll(() => api.stop());

test('actions are listed by name with the JSON Schema of their parameters, hidden ones are not', async () => {
  const { token } = await api.token({ role: 'viewer' });
  const { items } = (await api.get('/v1/actions', { token })).body;
  const names = items.map(({ name }: { name: string }) => name) as string[];
  const offered = ACTIONS.filter(({ hidden }) => hidden !== true).map(({ name }) => name);
  expect(names).toEqual(offered.toSorted((a, b) => (a < b ? -1 : 1)));
  expect(names).not.toContain('undo');
  for (const item of items) new Ajv2020({ strict: false }).compile(item.params);
  const kill = items.find(({ name }: { name: string }) => name === 'process.kill');
  expect(kill).toMatchObject({ destructive: true, reversible: false, binds: { table: 'processes' } });
  const fits = new Ajv2020({ strict: false }).compile(kill.params);
  const action = ACTIONS.find(({ name }) => name === 'process.kill')!;
  for (const params of [{ name: 'abc.exe' }, { pid: 4711 }, { pid: 'x' }, { name: 'a', signal: 'HUP' }, { odd: 1 }]) {
    expect([params, fits(params)]).toEqual([params, parseParams(action, params).ok]);
  }
});
