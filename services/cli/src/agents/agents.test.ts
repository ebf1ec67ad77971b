import { expect, test } from '@jest/globals';
import { wallTime } from '../terminal/time-text.js';
import { cliHarness } from '../testing/cli-harness.js';
import { AGENT_ID } from '../testing/fake-api.js';
import type { AgentJson } from '@muster/api-contract';
import { currentFallback, fallbackText, overrideText } from './mode-text.js';

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
])('the mode override %j is shown as %j', (override, text) => {
  expect(overrideText(override === undefined ? {} : { wanted: override })).toBe(text);
});

test('the fallback of an agent that polls but should be Live grows with time', () => {
  expect(fallbackText(agentJson({ away }), NOW_MS)).toBe('away from Live for 12 min: upgrade refused: 403');
  // It reported the fallback in the session that it still has.
  expect(
    currentFallback(
      agentJson({ away: { ...away, at: at(-50) }, presence: { state: 'poll', connectedAt: at(-50) } }),
      NOW_MS,
    ),
  ).toBe('away from Live for 1 h');
});

test.each([
  ['it is back', { away: { ...away, mode: 'live' } }],
  ['it is Live', { away, presence: { state: 'live' } }],
  ['it was assigned Poll', { away, wanted }],
  ['a later session reported none', { away: { ...away, at: at(-60) } }],
] as const)('an agent is not in fallback when %s; the last fallback is still shown', (_why, more) => {
  const agent = agentJson(more);
  expect(currentFallback(agent, NOW_MS)).toBeUndefined();
  expect(fallbackText(agent, NOW_MS)).toMatch(
    /^was away from Live for 10 min, told at 2026-01-01 1\d:\d\d UTC: upgrade refused: 403$/,
  );
});

const { api, ...cli } = cliHarness();

async function muster(...args: string[]): Promise<string> {
  const { code, out } = await cli.muster(args);
  expect(code).toBe(0);
  return out;
}

test('the list shows mode and fallback; the wide list also the override and the reason of the fallback', async () => {
  // Still to come, so that a slow machine adds no seconds to the fallback.
  const started = new Date(Date.now() + 60_000).toISOString();
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

test('one agent is shown with its override and its last fallback, by `get` as by `show`', async () => {
  const agent = agentJson({ wanted: { ...wanted, intervalMs: 60_000, reason: 'incident' }, away });
  api.json(`GET /v1/agents/${AGENT_ID}`, agent);
  const shown = await muster('agents', 'show', AGENT_ID);
  expect(shown).toMatch(/^mode +poll on gw-1$/m);
  expect(shown).toMatch(/^wanted +poll every 1 min, by ann: incident$/m);
  expect(shown).toMatch(/^away +was away from Live for 10 min, .*: upgrade refused: 403$/m);
  expect(await muster('agents', 'get', AGENT_ID)).toBe(shown);
});

test.each(['-y', '--yes'])('an agent is revoked with %s, and not without it', async (yes) => {
  const agent = agentJson();
  api.json(`GET /v1/agents/${AGENT_ID}`, agent);
  api.json(`POST /v1/agents/${AGENT_ID}/revoke`, agent);
  const revoke = ['agents', 'revoke', AGENT_ID, '--reason', 'stolen'];
  expect(await cli.muster(revoke)).toMatchObject({ code: 2 });
  expect(await cli.muster([...revoke, yes])).toMatchObject({ code: 0 });
  expect(api.requests.at(-1)).toMatchObject({ method: 'POST', body: { reason: 'stolen' } });
});
