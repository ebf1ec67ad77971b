import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { wallTime } from '../terminal/time-text.js';
import { runCli } from '../run.js';
import { AGENT_ID, FakeApi } from '../testing/fake-api.js';
import { fakeTerminal } from '../testing/fake-terminal.js';
import type { AgentJson } from '@muster/api-contract';
import { awayFor, awayText, wantedText } from './mode-text.js';

const NOW_MS = Date.parse('2026-01-01T12:00:00.000Z');
const at = (minutes: number): string => new Date(NOW_MS + minutes * 60_000).toISOString();

function agentJson(more: Partial<AgentJson> = {}): AgentJson {
  return {
    agentId: AGENT_ID,
    num: 1,
    host: 'web-1',
    os: 'linux',
    arch: 'x64',
    osName: 'Debian',
    osVersion: '12',
    agentVersion: '0.1.0',
    labels: {},
    agentLabels: {},
    operatorLabels: {},
    enrolledAt: at(-1_000),
    factsAt: at(-1_000),
    presence: { state: 'poll', gatewayId: 'gw-1', connectedAt: at(-2), lastSeenAt: at(0) },
    ...more,
  };
}

const wanted = { mode: 'poll', reason: '', by: 'ann', at: at(-5) } as const;
const away = { mode: 'poll', forMs: 600_000, failures: 3, why: 'upgrade refused: 403', at: at(-2) } as const;

test.each([
  [undefined, ''],
  [wanted, 'poll'],
  [{ ...wanted, intervalMs: 300_000, until: at(90) }, `poll every 5 min until ${wallTime(at(90), Date.now())}`],
  [{ ...wanted, mode: 'live' as const, intervalMs: 30_000 }, 'live, else poll every 30 s'],
])('what was ordered, %j, is shown as %j', (order, text) => {
  expect(wantedText(order === undefined ? {} : { wanted: order })).toBe(text);
});

test('whoever polls although it is to be Live has been away since it said so, and longer', () => {
  expect(awayText(agentJson({ away }), NOW_MS)).toBe('away from Live for 12 min: upgrade refused: 403');
  // A session that has lasted for long still is the one in which it said so.
  expect(
    awayFor(agentJson({ away: { ...away, at: at(-50) }, presence: { state: 'poll', connectedAt: at(-50) } }), NOW_MS),
  ).toBe('away from Live for 1 h');
});

test.each([
  ['it is back', { away: { ...away, mode: 'live' } }],
  ['it is Live', { away, presence: { state: 'live' } }],
  ['it was told to poll', { away, wanted }],
  ['a later session said nothing of it', { away: { ...away, at: at(-60) } }],
] as const)('it is not away when %s; the last time is still shown', (_why, more) => {
  const agent = agentJson(more);
  expect(awayFor(agent, NOW_MS)).toBeUndefined();
  expect(awayText(agent, NOW_MS)).toMatch(
    /^was away from Live for 10 min, told at 2026-01-01 1\d:\d\d: upgrade refused: 403$/,
  );
});

let api: FakeApi;
let url: string;
beforeEach(async () => {
  api = new FakeApi();
  url = await api.start();
});
afterEach(() => api.stop());

async function muster(...args: string[]): Promise<string> {
  const terminal = fakeTerminal({ env: { MUSTER_API_URL: url } });
  expect(await runCli(args, terminal)).toBe(0);
  return terminal.out();
}

test('the list has the mode and who is away; the wide one also what was ordered and why it is away', async () => {
  const started = new Date().toISOString();
  const current = agentJson({
    presence: { state: 'poll', connectedAt: started },
    wanted: { ...wanted, mode: 'live' },
    away: { ...away, at: started, why: 'proxy said \u001b[2J no' },
  });
  api.json('GET /v1/agents', { items: [current, agentJson({ host: 'web-2', presence: { state: 'offline' } })] });
  const narrow = await muster('agents');
  expect(narrow).toMatch(/^ID +HOST +MODE +OS +VERSION +AGENT +LABELS +NOTES$/m);
  expect(narrow).toMatch(/web-1 +poll .*away from Live for 10 min$/m);
  expect(narrow).toMatch(/web-2 +offline/);
  const wide = await muster('agents', '-o', 'wide');
  expect(wide).toMatch(/NOTES +WANTED +AWAY$/m);
  expect(wide).toMatch(/live +away from Live for 10 min: proxy said \\e\[2J no$/m);
  expect(JSON.parse(await muster('agents', '-o', 'json'))).toMatchObject([{ wanted: { mode: 'live' }, away: {} }, {}]);
});

test('one agent is shown with its order and when it was away, by `get` as by `show`', async () => {
  const agent = agentJson({ wanted: { ...wanted, intervalMs: 60_000, reason: 'incident' }, away });
  api.json(`GET /v1/agents/${AGENT_ID}`, agent);
  const shown = await muster('agents', 'show', AGENT_ID);
  expect(shown).toMatch(/^mode +poll on gw-1$/m);
  expect(shown).toMatch(/^wanted +poll every 1 min, by ann: incident$/m);
  expect(shown).toMatch(/^away +was away from Live for 10 min, .*: upgrade refused: 403$/m);
  expect(await muster('agents', 'get', AGENT_ID)).toBe(shown);
});
