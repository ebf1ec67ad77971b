import type { ActionJson } from '@muster/api-contract';
import { expect, test } from '@jest/globals';
import { actionFields, fittingActions, paramsFrom } from './fitting-actions.js';

const action = (name: string, more: Partial<ActionJson> = {}): ActionJson => ({
  name,
  summary: '',
  params: {},
  platforms: ['linux'],
  reversible: false,
  destructive: true,
  timeoutMs: 1,
  ...more,
});
const KILL = action('process.kill', {
  platforms: ['linux', 'windows'],
  binds: { table: 'processes', required: ['pid', 'start_time'], optional: ['path'] },
  bindsToo: [{ table: 'process_open_sockets', required: ['pid'], optional: [] }],
});
const REGISTRY = action('registry.delete_key', { platforms: ['windows'] });
const rows = (tables: string[], columns: string[]) => ({
  kind: 'rows' as const,
  tables,
  columns,
  rows: [],
});

test('rows fit only actions that bind to their table and whose columns they have', () => {
  const named = (target: ReturnType<typeof rows>): string[] =>
    fittingActions([KILL, REGISTRY], target).map((one) => `${one.action.name} ${one.shape?.table}`);
  expect(named(rows(['processes'], ['pid', 'start_time', 'name']))).toEqual(['process.kill processes']);
  expect(named(rows(['processes'], ['pid', 'name']))).toEqual([]);
  expect(named(rows(['process_open_sockets'], ['pid']))).toEqual(['process.kill process_open_sockets']);
  expect(named(rows(['users'], ['pid', 'start_time']))).toEqual([]);
});

test('endpoints fit actions that one of their platforms knows', () => {
  const names = (platforms: string[]): string[] =>
    fittingActions([KILL, REGISTRY], { kind: 'selector', selector: '' }, platforms).map((one) => one.action.name);
  expect(names(['linux'])).toEqual(['process.kill']);
  expect(names(['windows'])).toEqual(['process.kill', 'registry.delete_key']);
  expect(names([])).toEqual(['process.kill', 'registry.delete_key']);
});

test('fields come from the schema, and go back as its types', () => {
  const fields = actionFields(
    action('x', {
      params: {
        properties: {
          pid: { type: 'integer' },
          name: { type: 'string', description: 'Name' },
          signal: { type: 'string', enum: ['TERM', 'KILL'], default: 'KILL' },
          purge: { type: 'boolean' },
          allow: { type: 'array' },
          set: { type: 'object' },
        },
      },
      object: [{ required: ['name'], optional: [] }],
    }),
  );
  expect(fields.find(({ name }) => name === 'name')).toMatchObject({ isRequired: true, kind: 'text' });
  expect(fields.find(({ name }) => name === 'signal')).toMatchObject({ choices: ['TERM', 'KILL'], fallback: 'KILL' });
  const given = { pid: '12', name: ' a b ', purge: 'true', allow: '10.0.0.1, 10.0.0.2', set: 'env=prod', signal: '' };
  expect(paramsFrom(fields, given)).toEqual({
    pid: 12,
    name: 'a b',
    purge: true,
    allow: ['10.0.0.1', '10.0.0.2'],
    set: { env: 'prod' },
  });
});
