import { expect, test } from '@jest/globals';
import { cliHarness } from '../testing/cli-harness.js';

const { api, muster } = cliHarness();
const ID = `q${'0'.repeat(26)}`;
const PERSON = { id: 'o', name: 'O' };
const AT = '2026-11-30T10:00:00.000Z';
const COUNTS = { pass: 1, fail: 0, error: 0, not_applicable: 0, over_budget: 0, excepted: 0 };
const LEDGER = { targeted: 1, answered: 1, empty: 0 };

interface Long {
  readonly args: readonly string[];
  readonly path: string;
  /** How many lines a table has without `--limit`. */
  readonly usual: number;
  readonly item: (n: number) => object;
}

const SCAN = { createdAt: AT, endedAt: AT, operator: PERSON, pack: { id: 'p', version: '1' }, scope: '' };
const LISTS: readonly Long[] = [
  {
    ...{ args: ['audit'], path: '/v1/audit', usual: 50 },
    item: (seq) => ({ seq, at: AT, actorName: 'O', action: 'a', outcome: 'allowed', from: 'x' }),
  },
  {
    ...{ args: ['commands', 'list'], path: '/v1/commands', usual: 50 },
    item: (n) => ({
      ...{ id: `c${n}`, submittedAt: AT, operator: PERSON, action: 'arp.flush', params: {} },
      ...{ target: '', status: 'ended', ledger: {} },
    }),
  },
  {
    ...{ args: ['queries', 'list'], path: '/v1/queries', usual: 50 },
    item: (n) => ({
      ...{ id: `q${n}`, createdAt: AT, operator: PERSON, sql: 'SELECT 1', scope: '', state: 'complete' },
      ...{ ledger: LEDGER, rows: 1 },
    }),
  },
  {
    ...{ args: ['scan', 'list'], path: '/v1/scans', usual: 50 },
    item: (n) => ({ ...SCAN, id: `q${n}`, state: 'complete', ledger: LEDGER }),
  },
  {
    ...{ args: ['scan', 'trend', 'p'], path: '/v1/scans', usual: 30 },
    item: (n) => ({ ...SCAN, id: `q${n}`, state: 'complete', ledger: LEDGER }),
  },
  {
    ...{ args: ['scan', 'endpoints', ID, 'c'], path: `/v1/scans/${ID}/endpoints`, usual: 1_000 },
    item: (num) => ({ num, host: `h${num}`, outcome: 'pass', reason: null, evidence: null }),
  },
  {
    ...{ args: ['scan', 'scores', ID], path: `/v1/scans/${ID}/scores`, usual: 50 },
    item: (num) => ({ num, host: `h${num}`, score: 1, ...COUNTS }),
  },
  {
    ...{ args: ['vulnerabilities', 'list'], path: '/v1/vulnerabilities', usual: 50 },
    item: (n) => ({
      ...{ id: `CVE-2026-${n}`, severity: 'high', fixable: true, packages: 1 },
      ...{ endpointsAtLeast: 1, endpointsAtMost: 1, advisories: [] },
    }),
  },
  {
    ...{ args: ['vulnerabilities', 'scans'], path: '/v1/vulnerability-scans', usual: 20 },
    item: (n) => ({ id: `v${n}`, createdAt: AT, operator: PERSON, scope: '', state: 'complete' }),
  },
];
const THERE = 2_500;

/** A server with so many items, which answers at most 200 of them at once. */
function serve({ path, item }: Long): void {
  api.on(`GET ${path}`, ({ path: asked }, response) => {
    const query = new URL(asked, 'http://server').searchParams;
    const from = Number(query.get('cursor') ?? 0);
    const to = Math.min(from + Math.min(Number(query.get('limit')), 200), THERE);
    const items = Array.from({ length: to - from }, (_, n) => item(from + n));
    const more = to < THERE ? { nextCursor: String(to) } : {};
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ items, isWhole: true, scan: null, total: THERE, ...more }));
  });
}

const nameOf = ({ args }: Long): string => args.slice(0, 2).join(' ');
const linesOf = (text: string): number => text.split('\n').length - 1;

test.each(LISTS.map((list) => [nameOf(list), list] as const))('%s: forms for programs are whole', async (_, list) => {
  serve(list);
  const ndjson = await muster([...list.args, '-o', 'ndjson']);
  expect({ code: ndjson.code, lines: linesOf(ndjson.out) }).toEqual({ code: 0, lines: THERE });
  expect(JSON.parse((await muster([...list.args, '-o', 'json'])).out)).toHaveLength(THERE);
  expect(linesOf((await muster([...list.args, '-o', 'ndjson', '--limit', '777'])).out)).toBe(777);
});

test.each(LISTS.map((list) => [nameOf(list), list] as const))('%s: a short table says so', async (_, list) => {
  serve(list);
  const { out, err } = await muster(list.args);
  expect(linesOf(out)).toBe(list.usual + 1);
  expect(err).toContain(`These are the first ${list.usual.toLocaleString('en-US')}; --limit shows more.`);
  expect((await muster([...list.args, '--limit', String(THERE)])).err).not.toContain('--limit');
});

test('the CSV of vulnerabilities is whole', async () => {
  const list = LISTS.find(({ path }) => path === '/v1/vulnerabilities');
  if (list === undefined) throw new Error('no such list');
  serve(list);
  expect(linesOf((await muster([...list.args, '-o', 'csv'])).out)).toBe(THERE + 1);
});
