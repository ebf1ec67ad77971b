import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { ACTIONS, findAction } from './catalogue.js';
import { parseParams } from '../params.js';

const OFFERED = [
  'agent.allow_query',
  'agent.set_labels',
  'arp.flush',
  'connection.kill',
  'dns.flush',
  'file.quarantine',
  'file.restore',
  'host.isolate',
  'host.release',
  'package.remove',
  'process.kill',
  'registry.delete_key',
  'registry.delete_value',
  'service.restart',
  'service.start',
  'service.stop',
  'session.logout',
];

describe('the action catalogue', () => {
  test('offers these actions, and hides only undo', () => {
    const offered = ACTIONS.filter((action) => action.hidden !== true).map((action) => action.name);
    expect(offered.sort()).toEqual(OFFERED);
    expect(ACTIONS.filter((action) => action.hidden === true).map((action) => action.name)).toEqual(['undo']);
    expect(new Set(ACTIONS.map((action) => action.name)).size).toBe(ACTIONS.length);
  });

  test('finds an action by its exact name', () => {
    expect(findAction('process.kill')?.name).toBe('process.kill');
    for (const name of ['process', 'Process.kill', 'process.kill ', '__proto__', 'constructor', '']) {
      expect(findAction(name)).toBeUndefined();
    }
  });

  test.each(ACTIONS)('$name rejects an unknown parameter by its name', (action) => {
    const parsed = parseParams(action, { nonsense: 1 });
    expect(parsed).toMatchObject({ ok: false });
    expect(!parsed.ok && parsed.faults.some((fault) => fault.path === 'nonsense')).toBe(true);
  });

  test.each(ACTIONS)('$name names its object by its own parameters, each with a description', (action) => {
    const known = Object.keys(action.params.shape);
    for (const way of action.object ?? [])
      expect(known).toEqual(expect.arrayContaining([...way.required, ...way.optional]));
    const { properties = {} } = z.toJSONSchema(action.params, { io: 'input' });
    for (const [key, schema] of Object.entries(properties)) {
      expect([key, typeof (schema as { description?: unknown }).description]).toEqual([key, 'string']);
    }
  });

  test.each(ACTIONS.filter((action) => action.object !== undefined))(
    '$name rejects object parameters when a row names the object',
    (action) => {
      expect(parseParams(action, {}, { bound: true }).ok).toBe(true);
    },
  );
});
