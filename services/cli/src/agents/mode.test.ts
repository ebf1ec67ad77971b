import { beforeEach, expect, test } from '@jest/globals';
import { wallTime } from '../terminal/time-text.js';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID } from '../testing/fake-api.js';

const { api, muster } = cliHarness();
beforeEach(() => {
  reach({ total: 5_000, live: 4_800, poll: 190, offline: 10 });
  ordered({ matched: 5_000, changed: 4_998, unchanged: 2 });
});

const BY = '2026-01-01T12:00:41.000Z';
const reach = (counts: { total: number; live: number | null; poll: number | null; offline: number | null }) =>
  api.json('GET /v1/agents', { items: [], counts: { labels: {}, ...counts } });
const ordered = (counts: { matched: number; changed: number; unchanged?: number; failed?: number }) =>
  api.json('POST /v1/agents/mode', {
    unchanged: 0,
    failed: 0,
    ...counts,
    connected: { live: 4_800, poll: 190, offline: 10, pollBy: BY },
  });

const posts = () => api.requests.filter(({ method }) => method === 'POST');

test('shows how many would hear of it when, and sets the mode after a yes', async () => {
  const { code, err, asked } = await muster(
    ['mode', 'poll', '--target', 'env=prod', '--interval', '90s', '--for', '2h', '--reason', 'incident 4711'],
    { answers: ['y'] },
  );
  expect(asked.map(({ question }) => question)).toEqual([
    '5,000 endpoints (env=prod): poll every 90s, for 2h\n' +
      'They hear of it: 4,800 at once (Live), 190 at their next poll, 10 when they return.\n' +
      'Reason: incident 4711\nGo on? [y/N] ',
  ]);
  const body = { selector: 'env=prod', mode: 'poll', interval: '90s', for: '2h', reason: 'incident 4711' };
  expect(posts()).toMatchObject([{ path: '/v1/agents/mode', body }]);
  expect(posts()[0]?.headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/);
  expect(err).toBe(
    '5,000 endpoints: 4,998 changed, 2 were so already\n' +
      `They hear of it: 4,800 at once (Live), 190 at their next poll (by ${wallTime(BY, Date.now())}), 10 when they return.\n`,
  );
  expect(code).toBe(0);
});

test('nothing is set after a no, or when no endpoint matches', async () => {
  expect(await muster(['mode', 'live', '-t', ''], { answers: ['n'] })).toMatchObject({ code: 1 });
  reach({ total: 0, live: 0, poll: 0, offline: 0 });
  const nobody = await muster(['mode', 'live', '-t', 'env=nope'], { answers: ['y'] });
  expect(nobody).toMatchObject({ code: 0, err: 'No endpoint matches, so there is nothing to order.\n', asked: [] });
  expect(posts()).toEqual([]);
});

test('a dry run needs no confirmation and changes nothing', async () => {
  const { code, out, err } = await muster(['mode', 'default', '-t', '', '--dry-run']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toBe(
    '5,000 endpoints (every one): do as the policy of the gateways says\n' +
      'They hear of it: 4,800 at once (Live), 190 at their next poll, 10 when they return.\n',
  );
  const json = await muster(['mode', 'default', '-t', '', '--dry-run', '-o', 'json']);
  expect(JSON.parse(json.out)).toEqual({ matched: 5_000, live: 4_800, poll: 190, offline: 10 });
  expect(posts()).toEqual([]);
});

test('a script is not asked', async () => {
  ordered({ matched: 3, changed: 3 });
  expect(await muster(['mode', 'live', '-t', '', '--for', '20s'])).toMatchObject({ code: 0, asked: [] });
  expect(posts()).toMatchObject([{ body: { selector: '', mode: 'live', for: '20s' } }]);
});

test('with --yes the mode is set at once; a failure to keep some ends with 1', async () => {
  ordered({ matched: 3, changed: 1, failed: 2 });
  const { code, out, err } = await muster(['mode', 'live', '--agents', `${AGENT_ID},${AGENT_ID}`, '-y', '-o', 'json']);
  expect(code).toBe(1);
  expect(err).toMatch(/^3 endpoints: 1 changed, 2 failed/);
  expect(JSON.parse(out)).toMatchObject({ matched: 3, failed: 2, connected: { poll: 190 } });
  expect(api.requests).toMatchObject([{ method: 'POST', body: { agentIds: [AGENT_ID], mode: 'live' } }]);
});

test('many ids are counted with as many requests as their length needs', async () => {
  const ids = Array.from(
    { length: 120 },
    (_, i) =>
      `${AGENT_ID.slice(0, 21)}${String.fromCharCode(97 + (i % 26))}${String.fromCharCode(97 + Math.floor(i / 26))}a`,
  );
  reach({ total: 60, live: 50, poll: null, offline: 5 });
  const { out } = await muster(['mode', 'live', '--id', ids.join(','), '-n']);
  expect(out).toBe(
    '120 endpoints: use Live\nThey hear of it: at once over Live, at their next poll, or when they return; nobody knows who is connected now.\n',
  );
  expect(api.requests).toHaveLength(2);
  expect(decodeURIComponent(api.requests[1]?.path ?? '')).toContain(`selector=id+in+(${ids[100]},`);
});

test.each([
  [['mode'], /argument/],
  [['mode', 'both', '-t', ''], /"both" is not a mode/],
  [['mode', 'live'], /say for which endpoints/],
  [['mode', 'live', '-t', '', '--agents', AGENT_ID], /only one of/],
  [['mode', 'live', '--agents', 'web-1'], /"web-1" is none/],
  [['mode', 'live', '-t', '', '--for', 'soon'], /--for takes a duration/],
  [['mode', 'poll', '-t', '', '--interval', '60'], /--interval takes a duration/],
  [['mode', 'default', '-t', '', '--for', '1h'], /--for is for live and poll/],
])('%j is a usage error, found before any request', async (args, message) => {
  const { code, err } = await muster([...args], { answers: ['y'] });
  expect(code).toBe(2);
  expect(err).toMatch(message);
  expect(api.requests).toEqual([]);
});
