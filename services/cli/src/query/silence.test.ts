import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';
import { endedQuery, QUERY_ID, queryJson } from '../testing/fake-api.js';
import { liveGroups } from './live-groups.js';
import { SilenceMonitor } from './silence.js';
import { ProgressLine } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';

const plain = styleFor(false, {});

describe('a query that nobody answers any more', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  function monitor(hosts: readonly (string | null)[]) {
    const asked: unknown[] = [];
    const told: [text: string, isNew: boolean][] = [];
    const call = (...input: unknown[]) => {
      asked.push(input);
      return Promise.resolve({ state: 'running', items: hosts.map((host, num) => ({ num, host })) });
    };
    const silence = new SilenceMonitor({
      client: { call: call as never },
      query: { id: QUERY_ID },
      tell: (text, isNew) => told.push([text, isNew]),
    });
    return { asked, told, silence };
  }

  test('says after 5 s whom it waits for, and asks for the names once', async () => {
    const { asked, told, silence } = monitor(['web\u001b[2J-1']);
    silence.see({ targeted: 3, waiting: 1 });
    await jest.advanceTimersByTimeAsync(4_900);
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(2_200);
    expect(told).toEqual([
      ['waiting for 1 endpoint: web\\e[2J-1, silent 5 s', true],
      ['waiting for 1 endpoint: web\\e[2J-1, silent 6 s', false],
      ['waiting for 1 endpoint: web\\e[2J-1, silent 7 s', false],
    ]);
    expect(asked).toEqual([
      ['GET /v1/queries/{id}/endpoints', { params: { id: QUERY_ID }, query: { outcome: 'waiting', limit: 3 } }],
    ]);
    silence.stop();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(told).toHaveLength(3);
  });

  test('counts many without names, begins anew with each answer, and leaves out who polls', async () => {
    const { asked, told, silence } = monitor([]);
    silence.see({ targeted: 300, waiting: 200 });
    await jest.advanceTimersByTimeAsync(4_000);
    silence.see({ targeted: 300, waiting: 100 });
    await jest.advanceTimersByTimeAsync(4_000);
    expect(told).toEqual([]);
    await jest.advanceTimersByTimeAsync(1_000);
    expect([told.at(0)?.[0], asked]).toEqual(['waiting for 100 endpoints, silent 9 s', []]);
    silence.see({ targeted: 300, waiting: 20 }, 20);
    await jest.advanceTimersByTimeAsync(20_000);
    expect(told).toHaveLength(1);
    silence.stop();
  });
});

const { api, terminal } = cliHarness();

test('outside of a terminal it is one line in the log', async () => {
  const { ask } = await import('./ask.js');
  const { ProcessEnv } = await import('../environment/command-env.js');
  const query = queryJson();
  api.json('POST /v1/queries', query, 201);
  api.json(`GET /v1/queries/${QUERY_ID}/endpoints`, { state: 'running', items: [{ num: 1, host: 'web-1' }] });
  api.on(`GET /v1/queries/${QUERY_ID}/events`, (_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const ledger = { ...query.ledger, targeted: 2, waiting: 1, answered: 1 };
    response.write(`${JSON.stringify({ event: 'progress', seq: 1, ledger, elapsedMs: 1 })}\n`);
    // It ends when the line was written: the names were asked for.
    const timer = setInterval(() => {
      if (!used.err().includes('waiting for')) return;
      clearInterval(timer);
      response.end(`${JSON.stringify({ event: 'ended', seq: 2, query: endedQuery() })}\n`);
    }, 5);
  });
  const used = terminal();
  const env = new ProcessEnv(used);
  expect(await ask(env, { sql: 'SELECT 1' }, { output: 'table', quiet: false, silentMs: 20 })).toBe(0);
  env.close();
  expect(used.err().match(/waiting for 1 endpoint: web-1, silent 0 s/g)).toHaveLength(1);
});

describe('groups that are shown while they grow', () => {
  const group = (index: number, endpoints: number) => ({
    ...{ index, endpoints, copies: endpoints, sample: [], values: [`v${index}\n`] },
  });

  test('are the largest, one line each, and no wider than the terminal', () => {
    const lines = liveGroups(
      Array.from({ length: 12 }, (_, i) => group(i, 12 - i)),
      ['a'.repeat(100)],
      { width: 40, style: plain },
    );
    expect(lines).toHaveLength(12);
    expect(lines.at(-1)).toBe('… and 2 more groups so far');
    expect(lines[1]).toContain('v0\\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(40);
  });

  test('stand above the line of progress, and are gone before the result is printed', () => {
    jest.useFakeTimers();
    try {
      let screen = '';
      const out = { isTTY: true, columns: 80, write: async (text: string) => void (screen += text) };
      const line = new ProgressLine(out, plain, 'asking');
      line.showAbove(['A', 'B']);
      jest.advanceTimersByTime(100);
      expect(screen).toContain('A\n\r\u001b[KB\n');
      screen = '';
      line.showAbove(['C']);
      jest.advanceTimersByTime(100);
      expect(screen.startsWith('\r\u001b[2A')).toBe(true);
      screen = '';
      line.end();
      expect(screen).toBe('\r\u001b[1A\r\u001b[K\u001b[J');
    } finally {
      jest.useRealTimers();
    }
  });
});
