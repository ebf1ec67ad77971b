import { ACTIONS, shapesOf } from '@muster/actions';
import { findTable } from '@muster/tables';
import { describe, expect, test } from '@jest/globals';
import { createActions } from './create-actions.js';
import { testCall, testHost, recordedHost } from './testing/action-harness.js';

const OFFERED = ACTIONS.filter((action) => action.hidden !== true);
const shapes = ACTIONS.flatMap((action) => shapesOf(action).map((shape) => [action.name, shape] as const));

describe('catalogue and tables', () => {
  test.each(shapes)('%s is bound to columns that exist, with the compared type', (_name, shape) => {
    const columns = new Map(findTable(shape.table)?.columns.map((column) => [column.name, column.type]));
    const whole = new Set(shape.integers);
    for (const column of [...shape.required, ...shape.optional]) {
      const type = columns.get(column);
      expect([column, type === 'INTEGER' || type === 'BIGINT']).toEqual([column, whole.has(column)]);
      expect([column, type]).not.toEqual([column, undefined]);
    }
  });
});

describe('actions of an endpoint', () => {
  const host = testHost();
  const actions = createActions(host);

  test.each(OFFERED.filter((action) => !action.platforms.includes('linux')))(
    '$name reports its platforms',
    async ({ name }) => {
      expect(await actions.run(testCall(host, name))).toMatchObject({ state: 'unsupported', code: 'platform' });
    },
  );

  test.each(OFFERED.filter((action) => action.platforms.includes('linux')))(
    '$name is implemented on Linux, and can be undone if the catalogue says so',
    async ({ name, reversible }) => {
      // No action has this parameter. An implemented action answers `bad_params`.
      expect(await actions.run(testCall(host, name, { params: { nonsense: 1 } }))).toMatchObject({
        state: 'refused',
        code: 'bad_params',
      });
      const undone = await actions.undo(testCall(host, 'undo', { params: { command: 'c1' }, dryRun: true }), name, {});
      expect([name, undone.code === 'not_undoable']).toEqual([name, !reversible]);
    },
  );

  test("parameters are validated against the agent's own catalogue", async () => {
    const run = (options: Parameters<typeof testCall>[2]) => actions.run(testCall(host, 'process.kill', options));
    expect(await run({ params: { pid: 0 } })).toMatchObject({
      state: 'refused',
      message: expect.stringMatching(/^pid: /),
    });
    expect(await run({ binding: { pid: 17 } })).toMatchObject({
      state: 'refused',
      message: expect.stringMatching(/start_time/),
    });
    const both = { params: { pid: 17 }, binding: { pid: 17, start_time: 1 } };
    expect(await run(both)).toMatchObject({ state: 'refused', code: 'bad_params' });
  });

  test('a command that is aborted before it begins does nothing', async () => {
    const late = AbortSignal.abort(new DOMException('late', 'TimeoutError'));
    expect(await actions.run(testCall(host, 'dns.flush', { signal: late }))).toMatchObject({ state: 'timed_out' });
    const cancelled = await actions.run(testCall(host, 'dns.flush', { signal: AbortSignal.abort() }));
    expect(cancelled).toEqual({
      state: 'cancelled',
      code: 'cancelled',
      message: 'it was cancelled; nothing was changed',
    });
  });

  test('an exception only fails the action', async () => {
    const broken = testHost({ run: () => Promise.reject(new Error('out of file descriptors')) });
    expect(await createActions(broken).run(testCall(broken, 'arp.flush'))).toEqual({
      state: 'failed',
      code: 'internal',
      message: 'the agent could not finish it: out of file descriptors',
    });
  });

  test('a long effect is truncated, and excess effects are counted', async () => {
    const lines = Array.from(
      { length: 60 },
      (_, i) => `10.0.0.${i} dev eth0 lladdr ${'0'.repeat(i === 0 ? 300 : 4)} STALE`,
    );
    const many = recordedHost({ 'ip neigh show': { stdout: lines.join('\n') } });
    const { effects = [] } = await createActions(many).run(testCall(many, 'arp.flush', { dryRun: true }));
    expect([effects.length, Buffer.byteLength(effects[0]!), effects.at(-1)]).toEqual([50, 256, 'and 11 more']);
  });
});
