import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { BUDGET, createAgent, scratch } from '../../testing/query-fixture.js';

describe('a query and the worker that runs it', () => {
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
});
