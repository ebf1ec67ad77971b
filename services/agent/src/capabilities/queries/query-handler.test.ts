import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { decodeRows, FRAME, decodeBody, type QueryBody, type QueryEndBody } from '@muster/protocol';
import { silentLogger, systemClock } from '@muster/runtime/program';
import type { SendResult } from '../../contract/session.js';
import { WorkerPool } from '../../worker/worker-pool.js';
import { WorkerProcesses } from '../../worker/worker-processes.js';
import { QueryDenylist } from './query-denylist.js';
import { QueryRunner } from './query-runner.js';
import { QueryHandler } from './query-handler.js';

const FOREVER = 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) AS x FROM c';
const BUDGET = { ms: 10_000, rows: 10_000, bytes: 4 * 1024 * 1024 };

const cleanups: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Sent {
  readonly type: number;
  readonly ref: number;
  readonly body: Uint8Array;
  readonly flags: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'muster-agent-'));

const FIXTURE = fileURLToPath(new URL('../../testing/fixture-worker.js', import.meta.url));

function createProcesses(env: Record<string, string> = {}, args = [FIXTURE]): WorkerProcesses {
  return new WorkerProcesses({
    args,
    env: { PATH: process.env['PATH'] ?? '', ...env },
    folder: scratch,
    idleMs: 60_000,
    clock: systemClock,
    logger: silentLogger,
  });
}

// Loading SQLite takes most of a test's time, so that tests share a process; those that kill it leave the next one a new one.
const shared = createProcesses();
afterAll(async () => {
  await shared.stop();
  rmSync(scratch, { recursive: true, force: true });
});

/**
 * An agent's query side with a worker that runs the fixture tables, and a connection that takes everything unless told
 * otherwise.
 */
function createAgent(
  options: {
    folder?: string;
    workers?: number;
    maxBudget?: typeof BUDGET;
    maxQueued?: number;
    maxHeldBytes?: number;
    env?: Record<string, string>;
    args?: string[];
  } = {},
) {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'muster-agent-'));
  if (options.folder === undefined) cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const denylist = new QueryDenylist({ folder, clock: systemClock, logger: silentLogger });
  denylist.load();
  const sent: Sent[] = [];
  let wake = (): void => {};
  const connection = {
    result: 'sent' as SendResult,
    send(type: number, ref: number, body: Uint8Array, { flags = 0 }: { flags?: number } = {}): SendResult {
      if (connection.result === 'sent') sent.push({ type, ref, body: Uint8Array.from(body), flags });
      wake();
      return connection.result;
    },
  };
  const processes = options.env === undefined ? shared : createProcesses(options.env, options.args);
  if (processes !== shared) cleanups.push(() => processes.stop());
  processes.onChange(() => wake());
  const runner = new QueryRunner({
    denylist,
    maxBudget: options.maxBudget ?? BUDGET,
    ...(options.maxQueued === undefined ? {} : { maxQueued: options.maxQueued }),
    ...(options.maxHeldBytes === undefined ? {} : { maxHeldBytes: options.maxHeldBytes }),
    createPool: (onRoom) =>
      new WorkerPool({
        processes,
        workers: options.workers ?? 1,
        clock: systemClock,
        logger: silentLogger,
        onRoom: () => {
          onRoom();
          wake();
        },
      }),
  });
  const handler = new QueryHandler({ runner, clock: systemClock, logger: silentLogger });
  handler.ready({ mode: 'live', send: (...frame) => connection.send(...frame) });
  cleanups.push(() => handler.ended());
  const until = async <T>(look: () => T | undefined | false): Promise<T> => {
    for (;;) {
      const found = look();
      if (found !== undefined && found !== false) return found;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
  return {
    folder,
    denylist,
    sent,
    connection,
    runner,
    handler,
    until,
    poolSize: () => processes.size,
    ask(ref: number, sql: string, columns: string[], body: Partial<QueryBody> = {}): void {
      const whole = { id: `q${ref}`, sql, columns, remainingMs: 20_000, budget: BUDGET, credit: 10_000_000, ...body };
      handler.frames.query!(whole, ref);
    },
    credit: (ref: number, bytes: number) => handler.frames.credit!({ bytes }, ref),
    cancel: (ref: number) => handler.frames.cancel!({ reason: 'test' }, ref),
    /** Resolves with how query `ref` ended: its rows, or its QUERY_END. */
    outcome: (ref: number) =>
      until(() => {
        const mine = sent.filter((frame) => frame.ref === ref);
        const end = mine.find((frame) => frame.type === FRAME.queryEnd);
        if (end !== undefined) {
          const decoded = decodeBody('queryEnd', end.body);
          return decoded.ok ? (decoded.body as Partial<QueryEndBody> & { frames?: Sent[] }) : undefined;
        }
        return mine.some((frame) => frame.flags === 1) ? { frames: mine } : undefined;
      }),
  };
}

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

  test('a worker stuck in a system call is ended from outside, and the next query is answered', async () => {
    const agent = createAgent();
    agent.ask(1, 'SELECT n FROM blocks', ['n'], { budget: { ...BUDGET, ms: 100 } });
    agent.ask(2, 'SELECT 2 AS two', ['two']);
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'over_budget', code: 'over_time' });
    expect((await agent.outcome(2)).frames).toHaveLength(1);
  });

  test('memory has a limit too, and exceeding it is not a crash', async () => {
    const agent = createAgent({ maxBudget: { ...BUDGET, ms: 25_000 } });
    agent.ask(1, 'SELECT n FROM eats_memory', ['n'], { budget: { ...BUDGET, ms: 25_000 } });
    expect(await agent.outcome(1)).toMatchObject({ outcome: 'over_budget', code: 'over_memory' });
    agent.ask(2, 'SELECT n FROM eats_memory', ['n'], { budget: { ...BUDGET, ms: 1 } });
    expect((await agent.outcome(2)).code).not.toBe('crashed_before');
  });

  test.each([
    ['exits', 'exit code 7'],
    ['aborts', 'SIGABRT'],
  ])(
    'a query that ends its worker twice (%s) is refused for a day, with why, until when, and how it is allowed',
    async (table, how) => {
      const agent = createAgent();
      const sql = `SELECT n FROM ${table}`;
      agent.ask(1, sql, ['n']);
      const once = await agent.outcome(1);
      expect(once).toMatchObject({ outcome: 'error', code: 'worker_crashed', message: expect.stringContaining(how) });
      expect(once.message).toMatch(/once more within 24 hours/);
      agent.ask(2, sql, ['n']);
      expect(await agent.outcome(2)).toMatchObject({
        code: 'worker_crashed',
        message: expect.stringMatching(/refused until/),
      });
      agent.ask(3, sql, ['n']);
      const refused = await agent.outcome(3);
      expect(refused).toMatchObject({ outcome: 'refused', code: 'crashed_before' });
      const [, until, query] = /refused until (\S+); the action agent\.allow_query \(query=([0-9a-f]{12})\)/.exec(
        refused.message!,
      )!;
      expect(Date.parse(until!) - Date.now()).toBeGreaterThan(23.9 * 3_600_000);
      agent.ask(4, 'SELECT 3 AS three', ['three']);
      expect((await agent.outcome(4)).frames).toHaveLength(1);
      expect(agent.denylist.allow(query)).toEqual([query]);
      agent.ask(5, sql, ['n']);
      expect(await agent.outcome(5)).toMatchObject({ code: 'worker_crashed' });
    },
  );

  test('a query whose worker was ended by somebody else may run again', async () => {
    const agent = createAgent();
    for (const ref of [1, 2, 3]) {
      agent.ask(ref, 'SELECT n FROM is_killed', ['n']);
      expect(await agent.outcome(ref)).toMatchObject({ outcome: 'error', code: 'worker_ended' });
    }
  });

  test('a query for which no worker could be started is not blamed', async () => {
    const broken = createAgent({ env: {}, args: ['--no-such-option'] });
    for (const ref of [1, 2, 3]) {
      broken.ask(ref, 'SELECT 1 AS one', ['one']);
      expect(await broken.outcome(ref)).toMatchObject({ outcome: 'error', code: 'worker_failed' });
    }
    expect(broken.denylist.denial('SELECT 1 AS one')).toBeUndefined();
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

  test('the deadline of a query that hangs names the path', async () => {
    const fifo = join(scratch, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const agent = createAgent({ env: { FIXTURE_PATH: fifo } });
    agent.ask(1, 'SELECT 1 AS one', ['one']);
    await agent.outcome(1);
    agent.ask(2, 'SELECT n FROM hangs', ['n'], { remainingMs: 1_000 });
    expect(await agent.outcome(2)).toMatchObject({
      outcome: 'over_budget',
      code: 'hung_file_system',
      message: expect.stringContaining(fifo),
    });
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
