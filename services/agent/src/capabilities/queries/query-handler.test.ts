import { describe, expect, test } from '@jest/globals';
import { decodeBody, decodeRows, FRAME } from '@muster/protocol';
import { BUDGET, createAgent, FOREVER } from '../../testing/query-fixture.js';

describe('queries of a session', () => {
  test('a small answer is exactly one final frame', async () => {
    const agent = createAgent();
    agent.ask(1, "SELECT 1 AS one, '\u{1f600}' AS face, NULL AS gap", ['one', 'face', 'gap']);
    const { frames } = await agent.outcome(1);
    expect(frames).toHaveLength(1);
    expect(decodeRows(frames![0]!.body, 3)).toEqual([[1, '\u{1f600}', null]]);
    expect(agent.handler.size).toBe(0);
  });

  test('no row at all is an empty final frame, which needs no credit', async () => {
    const agent = createAgent();
    agent.ask(1, 'SELECT 1 AS one WHERE 0', ['one'], { credit: 0 });
    expect((await agent.outcome(1)).frames).toMatchObject([{ flags: 1, body: new Uint8Array() }]);
  });

  test('never more bytes than credited, whole rows only, and the last frame is final', async () => {
    const agent = createAgent();
    agent.ask(1, 'SELECT n, text FROM numbers LIMIT 5000', ['n', 'text'], { credit: 1_000 });
    const total = (): number => agent.sent.reduce((sum, frame) => sum + frame.body.length, 0);
    await agent.until(() => agent.sent.length > 0);
    let credited = 1_000;
    let starved = 0;
    while (!agent.sent.some((frame) => frame.flags === 1)) {
      expect(total()).toBeLessThanOrEqual(credited);
      starved += 1;
      credited += 40_000;
      agent.credit(1, 40_000);
    }
    expect(total()).toBeLessThanOrEqual(credited);
    expect(starved).toBeGreaterThan(5);
    const rows = agent.sent.flatMap((frame) => decodeRows(frame.body, 2));
    expect(rows.map((row) => row[0])).toEqual(Array.from({ length: 5_000 }, (_, n) => n));
    for (const frame of agent.sent) expect(frame.body.length).toBeLessThanOrEqual(33 * 1024);
    expect(agent.sent.filter((frame) => frame.flags === 1)).toEqual([agent.sent.at(-1)]);
  });

  test('what the answer lacks is told before the answer, to gateways that take it', async () => {
    const agent = createAgent();
    agent.ask(1, 'SELECT n FROM lacks', ['n'], { warnings: true, credit: 1_000 });
    const { frames } = await agent.outcome(1);
    expect(frames?.map(({ type }) => type)).toEqual([FRAME.warnings, FRAME.rows]);
    const told = decodeBody('warnings', frames![0]!.body);
    expect(told).toMatchObject({ ok: true, body: { warnings: [{ code: 'unreadable', count: 1 }] } });
    agent.ask(2, 'SELECT n FROM lacks', ['n']);
    expect((await agent.outcome(2)).frames?.map(({ type }) => type)).toEqual([FRAME.rows]);
    agent.ask(3, 'SELECT 1 AS n', ['n'], { warnings: true });
    expect((await agent.outcome(3)).frames?.map(({ type }) => type)).toEqual([FRAME.rows]);
  });

  test('when not even one row fits, one empty frame that is not the last asks for credit', async () => {
    const agent = createAgent();
    agent.ask(1, "SELECT 'long enough' AS text", ['text'], { credit: 5 });
    await agent.until(() => agent.sent.length > 0);
    expect(agent.sent).toMatchObject([{ flags: 0, body: new Uint8Array() }]);
    agent.credit(1, 2);
    expect(agent.sent).toHaveLength(2);
    agent.credit(1, 100);
    expect((await agent.outcome(1)).frames?.at(-1)).toMatchObject({ flags: 1 });
    expect(agent.sent).toHaveLength(3);
  });

  test('a question that is not understood is answered with an error, and one whose credit is not ends with it', async () => {
    const agent = createAgent();
    agent.handler.frames.unreadableQuery!({ code: 'bad_query', fault: `sql: ${'x'.repeat(2_000)}` }, 4);
    expect(await agent.outcome(4)).toMatchObject({ outcome: 'error', code: 'bad_query' });
    agent.ask(1, 'SELECT n, text FROM numbers LIMIT 5000', ['n', 'text'], { credit: 0 });
    agent.handler.frames.unreadableQuery!({ code: 'bad_credit', fault: 'bytes: a number is expected' }, 1);
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'error', code: 'bad_credit' });
    expect(agent.handler.size).toBe(0);
  });

  test('credit that comes before the answer counts', async () => {
    const agent = createAgent();
    agent.ask(1, 'SELECT n, text FROM numbers LIMIT 5000', ['n', 'text'], { credit: 0 });
    agent.credit(1, 10_000_000);
    expect((await agent.outcome(1)).frames!.length).toBeGreaterThan(5);
  });

  test('a connection that is full gets the rest when it has room', async () => {
    const agent = createAgent();
    agent.connection.result = 'full';
    agent.ask(1, 'SELECT n, text FROM numbers LIMIT 5000', ['n', 'text']);
    await agent.until(() => agent.runner.running === 0);
    expect(agent.sent).toEqual([]);
    agent.connection.result = 'sent';
    agent.handler.writable();
    expect((await agent.outcome(1)).frames!.length).toBeGreaterThan(5);
  });

  test.each([
    ['time', FOREVER, ['x'], { ...BUDGET, ms: 200 }],
    ['time', 'SELECT n FROM spins', ['n'], { ...BUDGET, ms: 200 }],
    ['rows', 'SELECT n FROM numbers', ['n'], { ...BUDGET, rows: 100 }],
    ['bytes', 'SELECT text FROM numbers', ['text'], { ...BUDGET, bytes: 10_000 }],
  ])('over budget by %s says so, and sends no rows', async (limit, sql, columns, budget) => {
    const agent = createAgent();
    agent.ask(1, sql, columns, { budget });
    expect(await agent.outcome(1)).toMatchObject({
      outcome: 'over_budget',
      code: `over_${limit}`,
      message: expect.stringMatching(/longer|more/),
    });
    expect(agent.sent).toHaveLength(1);
  });

  test('the agent has a budget of its own, whatever it is given', async () => {
    const agent = createAgent({ maxBudget: { ...BUDGET, rows: 10 } });
    agent.ask(1, 'SELECT n FROM numbers', ['n'], { budget: { ...BUDGET, rows: 1_000_000 } });
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'over_budget', code: 'over_rows' });
  });

  test.each([
    ['an unknown column', 'SELECT nope FROM numbers', ['nope'], { outcome: 'error', code: 'sql_error' }],
    ['two statements', 'SELECT 1 AS a; SELECT 2', ['a'], { outcome: 'error', code: 'sql_many_statements' }],
    [
      'a table that this machine lacks',
      'SELECT n FROM absent',
      ['n'],
      { outcome: 'refused', code: 'unsupported_table' },
    ],
    [
      'a collector that fails',
      'SELECT n FROM throws',
      ['n'],
      { outcome: 'error', code: 'query_failed', message: 'the collector failed' },
    ],
    [
      'other columns than ours',
      'SELECT n, text FROM numbers',
      ['n', 'name'],
      { outcome: 'error', code: 'schema_mismatch' },
    ],
  ])('%s has its own outcome', async (_name, sql, columns, expected) => {
    const agent = createAgent();
    agent.ask(1, sql, columns);
    expect(await agent.outcome(1)).toMatchObject(expected);
  });

  test('the deadline ends running and waiting queries', async () => {
    const agent = createAgent();
    agent.ask(1, FOREVER, ['x'], { remainingMs: 300 });
    agent.ask(2, 'SELECT 2 AS two', ['two'], { remainingMs: 50 });
    expect(await agent.outcome(2)).toMatchObject({ outcome: 'timed_out', code: 'deadline' });
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'timed_out', code: 'deadline' });
    await agent.until(() => agent.poolSize() === 0);
  });

  test('the deadline ends an answer that waits for credit', async () => {
    const agent = createAgent();
    agent.ask(1, 'SELECT 1 AS one', ['one'], { credit: 1, remainingMs: 1_500 });
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'timed_out' });
  });

  test('cancel stops the statement, sends nothing, and makes room', async () => {
    const agent = createAgent();
    agent.ask(1, FOREVER, ['x']);
    agent.ask(2, 'SELECT 2 AS two', ['two']);
    agent.ask(3, 'SELECT 3 AS three', ['three']);
    agent.cancel(2);
    agent.cancel(1);
    expect((await agent.outcome(3)).frames).toHaveLength(1);
    expect(agent.sent.map((frame) => frame.ref)).toEqual([3]);
  });

  test('a query that can neither run nor wait is refused as busy', async () => {
    const agent = createAgent({ workers: 1, maxQueued: 2 });
    for (const ref of [1, 2, 3, 4]) agent.ask(ref, FOREVER, ['x']);
    expect(await agent.outcome(4)).toMatchObject({ outcome: 'refused', code: 'busy' });
    expect({ running: agent.runner.running, queued: agent.runner.queued }).toEqual({ running: 1, queued: 2 });
  });

  test('answers that wait for credit hold back new statements', async () => {
    const agent = createAgent({ maxHeldBytes: 1 });
    agent.ask(1, 'SELECT 1 AS one', ['one'], { credit: 0 });
    await agent.until(() => agent.runner.running === 0);
    agent.ask(2, 'SELECT 2 AS two', ['two']);
    expect({ running: agent.runner.running, queued: agent.runner.queued }).toEqual({ running: 0, queued: 1 });
    agent.credit(1, 100);
    expect((await agent.outcome(2)).frames).toHaveLength(1);
  });

  test('the end of the session cancels all of its queries', async () => {
    const agent = createAgent();
    agent.ask(1, FOREVER, ['x']);
    agent.ask(2, 'SELECT 2 AS two', ['two']);
    agent.handler.ended();
    expect({ size: agent.handler.size, running: agent.runner.running, queued: agent.runner.queued }).toEqual({
      size: 0,
      running: 0,
      queued: 0,
    });
    await agent.until(() => agent.poolSize() === 0);
    expect(agent.sent).toEqual([]);
  });
});
