import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { SubmitCommand } from '@muster/messages';
import { LIMITS, type AgentId } from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet } from '@muster/records';
import { ANN, BOB, CommandHarness, commandOf, makeTestKeys, ORG, type TestKeys } from '../testing/command-harness.js';

const POLICY = {
  limits: { responder: { maxTargets: 3 } },
  approval: [{ actions: ['dns.*', 'destructive'], minTargets: 2, selector: 'env=prod' }],
};

let keys: TestKeys;
let folder: string;
let harness: CommandHarness;
beforeAll(async () => {
  keys = await makeTestKeys();
  folder = await mkdtemp(join(tmpdir(), 'muster-policy-'));
  await writeFile(join(folder, 'policy.json'), JSON.stringify(POLICY));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  harness = await new CommandHarness({ keys, policyFile: join(folder, 'policy.json') }).open();
});
afterEach(() => harness.close());

const unknownAgent = 'z'.repeat(24) as AgentId;

describe('a submission that is invalid or not allowed is refused, and nothing is written', () => {
  const cases: [string, Partial<SubmitCommand>, string, string | RegExp][] = [
    ['an unknown action', { action: 'process.hug' }, 'unknown_action', /process\.hug/],
    ['the hidden action', { action: 'undo', params: { command: 'c1' } }, 'unknown_action', /undo/],
    ['a wrong parameter', { params: { name: 'a', colour: 'red' } }, 'bad_params', /colour/],
    ['no process', { params: {} }, 'bad_params', /pid/],
    ['a selector that does not parse', { target: { selector: 'os=(' } }, 'bad_selector', ''],
    ['a selector without a match', { target: { selector: 'env=moon' } }, 'no_targets', /no endpoint/],
    ['no agent at all', { target: { agentIds: [] } }, 'no_targets', ''],
    ['an unknown agent', { target: { agentIds: [unknownAgent] } }, 'not_found', unknownAgent],
    ['more than the role may touch', { target: { selector: 'env=dev' } }, 'too_many_targets', /responder/],
    ['an expiry of zero', { expiresInMs: 0 }, 'bad_timeout', /expire/],
    ['a timeout of days', { timeoutMs: 1e9 }, 'bad_timeout', /timeout/],
    [
      'a rollout without a canary',
      { rollout: { canary: 0, step: 1, pauseMs: 0, abortOver: 0 } },
      'bad_rollout',
      /canary/,
    ],
    [
      'a rollout with invalid steps',
      { rollout: { canary: 1, step: '0%', pauseMs: 0, abortOver: 2 } },
      'bad_rollout',
      /step.*abort_over/,
    ],
    ['a reason that is too long', { reason: 'x'.repeat(LIMITS.reasonBytes + 1) }, 'bad_request', /reason/],
    ['rows for an action that has none', { action: 'dns.flush', params: {}, target: { rows: [] } }, 'no_targets', ''],
  ];
  test.each(cases)('%s', async (_name, change, code, message) => {
    await harness.agents(1, {}, { env: 'prod' });
    await harness.agents(4, {}, { env: 'dev' });
    await harness.service();
    const target = { selector: 'env=prod' };
    const problem = await harness.problem(harness.request({ target, ...change }));
    expect(problem.code).toBe(code);
    expect(problem.message).toMatch(message);
    expect(await harness.ask({ t: 'list', org: ORG, limit: 10 })).toEqual({ t: 'list', commands: [] });
    await harness.settle();
    expect(await harness.audit()).toMatchObject([
      { action: 'command.submit', outcome: 'refused', code, actorName: 'Ann' },
    ]);
  });

  test('named agents outside the operator’s bound, or revoked: all or none', async () => {
    const [mine, other] = [await harness.agent({}, { env: 'dev' }), await harness.agent({}, { env: 'prod' })];
    await harness.service();
    const caller = { ...ANN, bound: 'env=dev' };
    const target = { agentIds: [mine.agentId, other.agentId] };
    const problem = await harness.problem(harness.request({ caller, target }));
    expect([problem.code, problem.details['agentIds']]).toEqual(['forbidden', [other.agentId]]);
    await harness.revoke(mine);
    expect((await harness.problem(harness.request({ target: { agentIds: [mine.agentId] } }))).code).toBe('revoked');
    expect((await harness.problem(harness.request({ target: { selector: 'env=dev' } }))).code).toBe('no_targets');
  });

  test('an error names the wrong row; equal rows are one target', async () => {
    const agent = await harness.agent();
    await harness.service();
    const { agentId } = agent;
    const row = { pid: 7, start_time: 1_700_000_000, path: '/bin/abc', user: 'root' };
    const bad = await harness.problem(
      harness.request({
        params: {},
        target: {
          rows: [
            { agentId, row },
            { agentId, row: { pid: 7 } },
          ],
        },
      }),
    );
    expect([bad.code, bad.message]).toEqual(['bad_params', expect.stringMatching(/^row 2: start_time/)]);
    const rows = [
      { agentId, row },
      { agentId, row },
      { agentId, row: { ...row, pid: 8 } },
    ];
    const { record, ledger } = await harness.submit({ params: {}, target: { rows } });
    expect([ledger.targeted, record.target]).toEqual([2, '2 rows']);
    expect((await harness.fold(record.id)).record.targets).toEqual({
      rows: [
        [agent.num, { pid: 7, start_time: 1_700_000_000, path: '/bin/abc' }],
        [agent.num, { pid: 8, start_time: 1_700_000_000, path: '/bin/abc' }],
      ],
    });
  });
});

test('a selector with a mode reaches nobody while it is not known who is connected', async () => {
  await harness.agents(2);
  await harness.service();
  const request = harness.request({ target: { selector: 'mode!=poll' } });
  harness.registry.store.available = false;
  expect((await harness.problem(request)).code).toBe('registry_unavailable');
  harness.registry.store.available = true;
  // The broker was away until a moment ago: its gateway could not renew the lease, and goes on.
  const nowMs = harness.clock.now();
  const info = { sessions: 2, draining: false, startedAtMs: 0 };
  harness.registry.store.leases.set('gw-1', { endsAtMs: nowMs - 1, renewedAtMs: nowMs - 20_000, info });
  const offline = harness.request({ target: { selector: 'mode=offline' } });
  expect((await harness.problem(offline)).code).toBe('registry_unavailable');
  await harness.pass(20_000);
  expect((await harness.submit({ target: { selector: 'mode=offline' } })).ledger.targeted).toBe(2);
});

test('endpoints that stand for what a selector requires of health are the targets, within the other requirements and the bound', async () => {
  const [mine, other] = [await harness.agent({}, { env: 'dev' }), await harness.agent({}, { env: 'prod' })];
  const well = await harness.agent({}, { env: 'dev' });
  await harness.service();
  const target = { selector: 'health=critical', among: encodeNumberSet([mine.num, other.num]) };
  const { record } = await harness.submit({ target, caller: { ...ANN, bound: 'env=dev' } });
  const { targets } = (await harness.fold(record.id)).record;
  expect(record.target).toBe('health=critical');
  expect('sets' in targets && targets.sets.flatMap((set) => decodeNumberSet(set))).toEqual([mine.num]);
  expect(well.num).not.toBe(mine.num);
  // Without them nobody here knows.
  const problem = await harness.problem(harness.request({ target: { selector: 'health!=critical' } }));
  expect([problem.code, problem.message]).toEqual(['bad_selector', expect.stringMatching(/health/)]);
  const bounded = harness.request({ target, caller: { ...ANN, bound: 'health=ok' } });
  expect((await harness.problem(bounded)).code).toBe('bad_selector');
});

test('an incomplete request is refused, and the service goes on', async () => {
  await harness.agents(1);
  await harness.service();
  const request = harness.request({ target: { selector: '' } });
  const strange = [
    { ...request, caller: undefined },
    { ...request, target: {} },
    { ...request, target: { rows: 1 } },
    { t: 'approve' },
    { t: 'x' },
  ];
  for (const each of strange) {
    const request = JSON.parse(JSON.stringify(each)) as SubmitCommand;
    expect((await harness.problem(request)).code).toBe('bad_request');
  }
  expect((await harness.ask(request)).t).toBe('command');
});

describe('a plan', () => {
  test('counts targets, says which approval is needed, and writes nothing', async () => {
    const agents = await harness.agents(2, {}, { env: 'prod' });
    await harness.service();
    harness.gateway('gw-1').connect(...agents.slice(0, 1));
    const reply = await harness.ask({ ...harness.request({ target: { selector: 'env=prod' } }), t: 'plan' });
    expect(reply).toEqual({
      ...{ t: 'plan', targets: 2, connected: 1, unsupported: 0 },
      approval: { role: 'responder', why: 'dns.*, destructive on 2 or more targets where env=prod' },
    });
    const dry = await harness.ask({
      ...harness.request({ target: { selector: 'env=prod' }, dryRun: true }),
      t: 'plan',
    });
    expect(dry).not.toHaveProperty('approval');
    expect(await harness.ask({ t: 'list', org: ORG, limit: 10 })).toEqual({ t: 'list', commands: [] });
  });
});

describe('the same request key', () => {
  test('creates one command, also at two services at the same time', async () => {
    const agents = await harness.agents(1);
    await harness.service();
    await harness.service();
    harness.gateway('gw-1').connect(...agents);
    const request = harness.request({ requestKey: 'key' });
    const asked = await Promise.all([
      harness.ask(request),
      harness.ask(request),
      harness.ask(request),
      harness.ask(request),
    ]);
    const ids = new Set(asked.map((reply) => commandOf(reply).record.id));
    expect(ids.size).toBe(1);
    expect(asked.filter((reply) => reply.t === 'command' && !reply.repeated)).toHaveLength(1);
    await harness.pass(1_000);
    expect([...(agents[0]?.starts.values() ?? [])]).toEqual([1]);
    const later = await harness.ask({ ...request, caller: BOB });
    expect(later).toMatchObject({ repeated: true, command: { status: 'ended' } });
    for (const service of [...harness.services]) await service.kill();
    await harness.pass(24 * 3_600_000);
    await harness.service();
    expect(commandOf(await harness.ask(request)).record.id).not.toBe([...ids][0]);
  });
});

describe('the list', () => {
  test('is newest first, in pages, by state, and of one org', async () => {
    const agents = await harness.agents(1);
    await harness.service();
    const ids: string[] = [];
    for (let i = 0; i < 3; i += 1) {
      ids.unshift((await harness.submit()).record.id);
      await harness.pass(10);
    }
    const list = async (change: object) => {
      const reply = await harness.ask({ t: 'list', org: ORG, limit: 10, ...change });
      return reply.t === 'list' ? reply.commands.map(({ record }) => record.id) : reply;
    };
    expect(await list({})).toEqual(ids);
    expect(await list({ limit: 1, before: ids[0] })).toEqual(ids.slice(1, 2));
    expect(await list({ status: 'ended' })).toEqual([]);
    expect(await list({ org: 'other' })).toEqual([]);
    harness.gateway('gw-1').connect(...agents);
    await harness.pass(1_000);
    expect(await list({ status: 'ended' })).toEqual(ids);
  });
});
