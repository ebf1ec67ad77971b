import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  absentValues,
  encodeDelta,
  encodeKeyframe,
  hostMetric,
  makeShape,
  METRICS_PARTITIONS,
  metricsPartition,
} from '@muster/host-metrics';
import {
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type Coverage,
  type SubmitCommand,
  type TelemetryRequest,
} from '@muster/messages';
import type { AgentId, TelemetryServiceId } from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

const ALL = Array.from({ length: METRICS_PARTITIONS }, (_, i) => i);
const SHAPE = makeShape({ interface: ['eth0'] });
const UPTIME = hostMetric('system.uptime');

const FAILING = { rule: 'disk', state: 'warning', value: 0.91, threshold: 0.9, sinceMs: Date.UTC(2026, 0, 1) };
const TOLD = { rule: 'disk', state: 'warning', value: 0.91, threshold: 0.9, since: '2026-01-01T00:00:00.000Z' };

type Answer = (request: TelemetryRequest, coverage: Coverage) => object;

/** A telemetry service that owns some partitions and answers as the test says. */
function service(name: string, partitions: readonly number[], answer: Answer, filling: readonly number[] = []): void {
  const instance = name as TelemetryServiceId;
  const { bus } = api.broker.connect();
  const onRequest = ({ data, reply }: { data: Uint8Array; reply?: (data: Uint8Array) => unknown }): void => {
    const request = decodeServiceMessage<TelemetryRequest & { readonly t: 'health_list' }>(data) as TelemetryRequest;
    try {
      reply?.(encodeBusMessage(answer(request, { instance, partitions, filling }) as never));
    } catch {
      // A service that does not answer.
    }
  };
  bus.subscribe(SUBJECTS.telemetryService(instance), onRequest);
  for (const partition of partitions) bus.subscribe(SUBJECTS.latestMetrics(partition), onRequest);
  const beat = (): unknown =>
    bus.publish(
      SUBJECTS.telemetryHeartbeats,
      encodeBusMessage({ t: 'telemetry_beat', instance, stopping: false, nowMs: Date.now() }),
    );
  beat();
  beats.push(setInterval(beat, 200));
}
const beats: NodeJS.Timeout[] = [];
afterEach(() => beats.splice(0).forEach((timer) => clearInterval(timer)));

function sample(seq: number, uptime: number) {
  const values = absentValues(SHAPE);
  values[UPTIME] = uptime;
  return { seq, atMs: Date.UTC(2026, 0, 1), shape: SHAPE, values };
}

const nobody: Answer = ({ t }, coverage) => ({
  ...{ t, ...coverage, partition: 0, endpoints: 0, rows: [], isCut: false },
  counts: { ok: 0, warning: 0, critical: 0 },
});

describe('the metrics of an endpoint', () => {
  test('are its latest sample in the units of its series, with its age and its health', async () => {
    const { agentId } = await api.agent();
    const health = { state: 'warning', sinceMs: Date.UTC(2026, 0, 2), rules: [FAILING] };
    const latest = { keyframe: encodeKeyframe(sample(1, 7)), delta: encodeDelta(sample(2, 9), sample(1, 7)) };
    service('ts-a', ALL, (_request, coverage) => ({
      ...{ t: 'latest_metrics', ...coverage, partition: metricsPartition(agentId) },
      sample: { ...latest, epoch: 1, receivedMs: Date.UTC(2026, 0, 1) + 5, ageMs: 1_234.5, vitals: { cpu: 0.5 } },
      health,
    }));
    const { status, body } = await api.get(`/v1/agents/${agentId}/metrics`);
    expect(status).toBe(200);
    expect(body).toEqual({
      agentId,
      sample: {
        ...{
          at: '2026-01-01T00:00:00.000Z',
          receivedAt: '2026-01-01T00:00:00.005Z',
          ageMs: 1_235,
          vitals: { cpu: 0.5 },
        },
        values: [{ name: 'system.uptime', attributes: {}, unit: 's', kind: 'gauge', value: 9 }],
      },
      health: { state: 'warning', since: '2026-01-02T00:00:00.000Z', rules: [TOLD] },
    });
  });

  test('are absent when it has sent none, and cannot be told while nobody owns its partition', async () => {
    const { agentId } = await api.agent();
    expect(await api.get(`/v1/agents/${agentId}/metrics`)).toMatchObject({
      status: 503,
      body: { code: 'no_telemetry_service' },
    });
    service('ts-a', ALL, nobody);
    await eventually(async () => (await api.get(`/v1/agents/${agentId}/metrics`)).status === 200);
    expect((await api.get(`/v1/agents/${agentId}/metrics`)).body).toEqual({ agentId });
    expect((await api.get(`/v1/agents/${'a'.repeat(24)}/metrics`)).status).toBe(404);
  });
});

describe('the fleet', () => {
  const row = (num: number, agentId: string, cpu: number) => ({ num, agentId, vitals: { cpu }, ageMs: 10 });

  test('is sorted over all services, and what nobody speaks for is missing', async () => {
    const { agentId, num } = await api.agent({ facts: { host: 'web-1' } });
    const asked: TelemetryRequest[] = [];
    service('ts-a', ALL.slice(0, 16), (request, coverage) => {
      asked.push(request);
      return { t: 'fleet_top', ...coverage, endpoints: 2, rows: [row(num, agentId, 0.9), row(901, 'b', 0.2)] };
    });
    service(
      'ts-b',
      ALL.slice(16, 31),
      (_request, coverage) => ({
        ...{ t: 'fleet_top', ...coverage, endpoints: 3, rows: [row(902, 'c', 0.95), row(903, 'd', 0.1)] },
      }),
      [20],
    );
    const top = async () => (await api.get('/v1/fleet/top?by=cpu&limit=3&selector=os%3Dlinux')).body;
    await eventually(async () => (await top()).endpoints === 5);
    const { items, partitions } = await top();
    expect(items.map(({ agentId: id, host }: { agentId: string; host: string }) => [id, host])).toEqual([
      ...[
        ['c', ''],
        [agentId, 'web-1'],
        ['b', ''],
      ],
    ]);
    expect(partitions).toEqual({ of: 32, missing: [20, 31] });
    expect(asked.at(-1)).toMatchObject({ t: 'fleet_top', org: 'default', selector: 'os=linux', by: 'cpu', limit: 3 });
  });

  test('is distributed as all services together count it, and a service that does not answer is missing', async () => {
    const cpu = (counts: number[]) => ({ bounds: [0.5, 1], counts, sum: 1 });
    const asked: TelemetryRequest[] = [];
    service('ts-a', ALL.slice(0, 16), (request, coverage) => {
      asked.push(request);
      return {
        ...{ t: 'fleet_metrics', ...coverage },
        groups: [
          { value: 'linux', endpoints: 3, vitals: { cpu: cpu([1, 2, 0]) } },
          { value: 'windows', endpoints: 1, vitals: { cpu: cpu([1, 0, 0]) } },
        ],
      };
    });
    let answers = true;
    service('ts-b', ALL.slice(16), (_request, coverage) => {
      if (!answers) throw new Error('it hangs');
      return {
        t: 'fleet_metrics',
        ...coverage,
        groups: [{ value: 'linux', endpoints: 2, vitals: { cpu: cpu([2, 0, 0]) } }],
      };
    });
    const { token } = await api.token({ role: 'viewer', selector: 'env=test' });
    const fleet = async () => (await api.get('/v1/fleet/metrics?by=os', { token })).body;
    await eventually(async () => (await fleet()).groups?.[0]?.endpoints === 5);
    const { groups, partitions, by } = await fleet();
    expect([by, partitions]).toEqual(['os', { of: 32, missing: [] }]);
    expect(groups).toMatchObject([
      { value: 'linux', endpoints: 5, vitals: { cpu: { counts: [3, 2, 0], sum: 2, quantiles: { p90: 0.875 } } } },
      { value: 'windows', endpoints: 1 },
    ]);
    expect(asked.at(-1)).toMatchObject({ by: 'os', bound: 'env=test' });
    answers = false;
    const rest = await fleet();
    expect(rest.groups[0]).toMatchObject({ value: 'linux', endpoints: 3 });
    expect(rest.partitions.missing).toEqual(ALL.slice(16));
    expect((await api.get('/v1/fleet/metrics?by=Host-1')).status).toBe(400);
  });

  test('is not shown beyond the selector of a token', async () => {
    const asked: TelemetryRequest[] = [];
    service('ts-a', ALL, (request, coverage) => {
      asked.push(request);
      return nobody(request, coverage);
    });
    const { token } = await api.token({ role: 'viewer', selector: 'env=test' });
    await eventually(async () => (await api.get('/v1/health', { token })).status === 200);
    expect((await api.get('/v1/fleet/top', { token })).status).toBe(200);
    expect(asked.map(({ t, ...request }) => [t, (request as { bound?: string }).bound])).toEqual(
      expect.arrayContaining([
        ['health_list', 'env=test'],
        ['fleet_top', 'env=test'],
      ]),
    );
  });

  test('fares as its health says, page by page', async () => {
    const health = { state: 'critical', sinceMs: 0, rules: [FAILING] };
    const rows = [5, 9].map((num) => ({ num, agentId: `a${num}` as AgentId, health }));
    const answer =
      (own: typeof rows): Answer =>
      (request, coverage) => {
        const { after = 0 } = request as { after?: number };
        const rest = own.filter(({ num }) => num > after);
        return {
          ...{ t: 'health_list', ...coverage, rows: rest.slice(0, 1), isCut: rest.length > 1 },
          counts: { ok: 10, warning: 0, critical: 1 },
        };
      };
    service('ts-a', ALL.slice(0, 16), answer(rows.slice(0, 1)));
    service('ts-b', ALL.slice(16), answer(rows.slice(1)));
    const list = async (query: string) => (await api.get(`/v1/health?state=critical&limit=1${query}`)).body;
    await eventually(async () => (await list('')).counts?.ok === 20);
    const first = await list('');
    expect(first).toMatchObject({ unknown: 0, items: [{ agentId: 'a5' }], partitions: { missing: [] } });
    const second = await list(`&cursor=${first.nextCursor}`);
    expect(second.items).toEqual([
      { agentId: 'a9', host: '', health: { state: 'critical', since: '1970-01-01T00:00:00.000Z', rules: [TOLD] } },
    ]);
    expect(second.nextCursor).toBe(undefined);
    // 22 are known; three of these are not.
    for (let i = 0; i < 25; i += 1) await api.agent();
    await eventually(async () => (await list('')).unknown === 3);
  });

  test('cannot be told while no service is heard', async () => {
    expect(await api.get('/v1/fleet/top')).toMatchObject({ status: 503, body: { code: 'no_telemetry_service' } });
    expect((await api.get('/v1/fleet/top?by=secrets')).status).toBe(400);
  });
});

describe('the built-in label health', () => {
  const states =
    (known: Readonly<Record<'ok' | 'warning' | 'critical', readonly number[]>>): Answer =>
    (request, coverage) =>
      request.t === 'health_states'
        ? {
            ...{ t: 'health_states', ...coverage },
            states: Object.fromEntries(Object.entries(known).map(([state, nums]) => [state, encodeNumberSet(nums)])),
          }
        : nobody(request, coverage);
  const KILL = { action: 'process.kill', params: { name: 'abc.exe' } };
  const agentsOf = async (selector: string, token?: string): Promise<string[]> => {
    const { body } = await api.get(`/v1/agents?selector=${encodeURIComponent(selector)}`, token ? { token } : {});
    return (body.items as { agentId: string }[]).map(({ agentId }) => agentId);
  };
  const among = (asked: object | undefined): number[] => decodeNumberSet((asked as { among: Uint8Array }).among);

  test('selects in lists, questions, orders and changes by what all services know, within the bound of the token', async () => {
    const full = await api.agent({ labels: { site: 'x' } });
    const elsewhere = await api.agent({ labels: { site: 'y' } });
    const warned = await api.agent({ labels: { site: 'x' } });
    const away = await api.agent({ labels: { site: 'x' } });
    service('ts-a', ALL.slice(0, 16), states({ ok: [], warning: [warned.num], critical: [full.num] }));
    service('ts-b', ALL.slice(16), states({ ok: [], warning: [], critical: [elsewhere.num] }));
    await eventually(async () => (await api.get('/v1/agents?selector=health%3Dok')).status === 200);
    expect(await agentsOf('health=critical')).toEqual([full.agentId, elsewhere.agentId]);
    expect(await agentsOf('health in (warning,critical),site=x')).toEqual([full.agentId, warned.agentId]);
    expect(await agentsOf('health=unknown')).toEqual([away.agentId]);
    expect(await agentsOf('health!=critical,site=x')).toEqual([warned.agentId, away.agentId]);
    const { token } = await api.token({ role: 'admin', selector: 'site=x' });
    expect(await agentsOf('health=critical', token)).toEqual([full.agentId]);

    const query = { sql: 'SELECT 1', selector: 'health=critical' };
    expect((await api.ask('POST', '/v1/queries', { token, body: query })).status).toBe(201);
    const start = api.service.asked.findLast(({ t }) => t === 'start');
    expect(start).toMatchObject({ selector: 'health=critical', bound: 'site=x' });
    expect(among(start)).toEqual([full.num, elsewhere.num]);
    const target = { selector: 'health=warning' };
    expect((await api.ask('POST', '/v1/commands', { body: { ...KILL, target } })).status).toBe(202);
    const submit = api.commands.asked.findLast(({ t }) => t === 'submit') as SubmitCommand;
    expect(submit.target).toMatchObject(target);
    expect(among(submit.target)).toEqual([warned.num]);
    const labels = { body: { selector: 'health=critical', set: { watch: 'yes' } }, token };
    expect((await api.ask('POST', '/v1/agents/labels', labels)).body).toMatchObject({ changed: 1 });
  });

  test('is refused while one of the services, or all of them, do not tell', async () => {
    const calls = [
      ['GET', '/v1/agents?selector=health%3Dok', {}],
      ['POST', '/v1/queries', { body: { sql: 'SELECT 1', selector: 'health!=critical' } }],
      ['POST', '/v1/commands', { body: { ...KILL, target: { selector: 'health=ok' } } }],
      ['POST', '/v1/agents/labels', { body: { selector: 'health=unknown', set: { a: '1' } } }],
    ] as const;
    const refused = { status: 503, body: { code: 'no_telemetry_service' } };
    for (const [method, path, options] of calls) expect(await api.ask(method, path, options)).toMatchObject(refused);
    service('ts-a', ALL.slice(1), states({ ok: [], warning: [], critical: [] }));
    await eventually(async () => (await api.get('/v1/health')).status === 200);
    for (const [method, path, options] of calls) expect(await api.ask(method, path, options)).toMatchObject(refused);
    expect(api.service.asked.filter(({ t }) => t === 'start')).toEqual([]);
    expect((await api.get('/v1/agents?selector=os%3Dlinux')).status).toBe(200);
  });

  test('cannot bound a token or a webhook', async () => {
    const bounded = { name: 'b', role: 'viewer', selector: 'health!=critical' };
    expect((await api.ask('POST', '/v1/tokens', { body: bounded })).body.code).toBe('bad_selector');
    const hook = { url: 'https://hooks.example/x', events: ['health.changed'], selector: 'health=critical' };
    expect((await api.ask('POST', '/v1/webhooks', { body: hook })).body.code).toBe('bad_selector');
    const { token } = await api.token({ role: 'viewer', selector: 'health=ok' });
    expect((await api.get('/v1/agents', { token })).status).toBeGreaterThanOrEqual(401);
  });
});
