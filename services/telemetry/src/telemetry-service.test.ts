import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { METRICS_PARTITIONS } from '@muster/host-metrics';
import {
  decodeBusMessage,
  SUBJECTS,
  type FleetMetrics,
  type FleetTop,
  type LatestMetrics,
  type TelemetryHeartbeat,
} from '@muster/messages';
import type { TelemetryServiceId } from '@muster/protocol';
import { eventually } from '@muster/runtime/testing';
import type { TestProcess } from '@muster/testkit';
import { ORG } from './testing/fake-endpoint.js';
import { scrape, TelemetryHarness, type Scrape } from './testing/telemetry-harness.js';

const ENDPOINTS = 150;
/** Seconds on an idle machine. */
const WITHIN_MS = 60_000;

let harness: TelemetryHarness;
let overcounts: string[];
beforeEach(async () => {
  overcounts = [];
  harness = await TelemetryHarness.open();
  await harness.enrol(ENDPOINTS);
});
afterEach(() => harness.close());

/** Scrapes that took longer than this may have seen one endpoint here and then there. */
const AT_ONCE_MS = 1_000;

async function counts(services: readonly TestProcess[]): Promise<Scrape> {
  const startedMs = performance.now();
  const all = await Promise.all(services.map(scrape));
  const endpoints = all.reduce((sum, one) => sum + one.endpoints, 0);
  const partitions = all.reduce((sum, one) => sum + one.partitions, 0);
  if (performance.now() - startedMs < AT_ONCE_MS) {
    if (endpoints > ENDPOINTS) overcounts.push(`${endpoints} endpoints`);
    if (partitions > METRICS_PARTITIONS) overcounts.push(`${partitions} partitions`);
  }
  return { endpoints, partitions, text: '' };
}

const isComplete = (services: readonly TestProcess[]) =>
  eventually(
    async () => {
      const { endpoints, partitions } = await counts(services);
      return endpoints === ENDPOINTS && partitions === METRICS_PARTITIONS;
    },
    'every endpoint is counted once',
    WITHIN_MS,
  );

test('each endpoint is counted once when services are added, killed, frozen and go on; keyframes fill what was taken over', async () => {
  const one = await harness.startService();
  harness.measure({ cpu: 0.2 }, 'keyframe');
  await isComplete([one]);

  const two = await harness.startService();
  const three = await harness.startService();
  await isComplete([one, two, three]);
  for (const { endpoints } of await Promise.all([one, two, three].map(scrape)))
    expect(endpoints).toBeLessThan(ENDPOINTS);

  await two.kill();
  await isComplete([one, three]);

  three.freeze();
  await isComplete([one]);
  three.resume();
  // From its first answer it tells of nothing that the other one owns.
  await counts([one, three]);
  await isComplete([one, three]);
  const takesPart = async (): Promise<boolean> => (await scrape(three)).partitions > 0;
  await eventually(takesPart, 'the one that stood still has partitions again', WITHIN_MS);
  expect(overcounts).toEqual([]);
});

test('partitions fill until the gateway with a lease has sent its keyframes', async () => {
  harness.answers = false;
  await harness.takeLease();
  const one = await harness.startService();
  await eventually(async () => (await scrape(one)).partitions === METRICS_PARTITIONS, 'it owns all', WITHIN_MS);
  const heard = new Set<TelemetryServiceId>();
  harness.broker.bus.subscribe(SUBJECTS.telemetryHeartbeats, ({ data }) => {
    const beat = decodeBusMessage<TelemetryHeartbeat>(data, 'telemetry_beat');
    if (beat !== undefined) heard.add(beat.instance);
  });
  await eventually(() => heard.size === 1, 'it is heard', WITHIN_MS);
  const filling = async (): Promise<number> => {
    const request = { t: 'fleet_top', org: ORG, selector: '', by: 'cpu', limit: 5 } as const;
    return ((await harness.ask(SUBJECTS.telemetryService([...heard][0]!), request)) as FleetTop).filling.length;
  };
  // It has asked again, and it is not the time alone that counts.
  for (let asks = 0; asks < 2; asks += 1) await harness.nextAsk();
  expect(await filling()).toBe(METRICS_PARTITIONS);
  harness.answers = true;
  await eventually(async () => (await filling()) === 0, 'the gateway has answered', WITHIN_MS);
});

test('replies of all services together are the whole fleet: the largest values, and one endpoint at the owner of its partition', async () => {
  const services = [await harness.startService(), await harness.startService()];
  const instances = new Set<TelemetryServiceId>();
  harness.broker.bus.subscribe(SUBJECTS.telemetryHeartbeats, ({ data }) => {
    const beat = decodeBusMessage<TelemetryHeartbeat>(data, 'telemetry_beat');
    if (beat !== undefined) instances.add(beat.instance);
  });
  const nowMs = Date.now();
  harness.send(harness.endpoints.map((endpoint, i) => endpoint.sample({ cpu: i / 1_000 }, nowMs, 'keyframe')));
  await isComplete(services);
  await eventually(() => instances.size === 2, 'both are heard', WITHIN_MS);

  const request = { t: 'fleet_top', org: ORG, selector: 'os=linux', by: 'cpu', limit: 5 } as const;
  const replies = (await Promise.all(
    [...instances].map((id) => harness.ask(SUBJECTS.telemetryService(id), request)),
  )) as FleetTop[];
  expect(replies.flatMap(({ partitions }) => partitions).sort((a, b) => a - b)).toEqual(
    Array.from({ length: METRICS_PARTITIONS }, (_, i) => i),
  );
  expect(replies.reduce((sum, { endpoints }) => sum + endpoints, 0)).toBe(ENDPOINTS);
  const top = replies.flatMap(({ rows }) => rows).sort((a, b) => (b.vitals.cpu ?? 0) - (a.vitals.cpu ?? 0));
  expect(top.slice(0, 5).map(({ agentId }) => agentId)).toEqual(
    harness.endpoints
      .slice(-5)
      .reverse()
      .map(({ agentId }) => agentId),
  );
  expect(await harness.ask(SUBJECTS.telemetryService([...instances][0]!), { ...request, selector: '=' })).toMatchObject(
    {
      ...{ t: 'problem', code: 'bad_request' },
    },
  );

  const fleet = { t: 'fleet_metrics', org: ORG, selector: '' } as const;
  const counted = (await Promise.all(
    [...instances].map((id) => harness.ask(SUBJECTS.telemetryService(id), { ...fleet, by: 'os' })),
  )) as FleetMetrics[];
  expect(counted.flatMap(({ groups }) => groups.map(({ value }) => value))).toEqual(['linux', 'linux']);
  expect(counted.flatMap(({ groups }) => groups).reduce((sum, { endpoints }) => sum + endpoints, 0)).toBe(ENDPOINTS);
  // An endpoint names itself: it must not make a group.
  const byHost = await harness.ask(SUBJECTS.telemetryService([...instances][0]!), { ...fleet, by: 'host' });
  expect(byHost).toMatchObject({ t: 'problem', code: 'bad_request' });

  const endpoint = harness.endpoints[7]!;
  harness.send([endpoint.sample({ cpu: 0.5 }, nowMs, 'delta')]);
  const latest = await eventually(
    async () => {
      const of = { t: 'latest_metrics', org: ORG, agentId: endpoint.agentId } as const;
      const reply = (await harness.ask(SUBJECTS.latestMetrics(endpoint.partition), of)) as LatestMetrics;
      return Math.abs((reply.sample?.vitals.cpu ?? 0) - 0.5) < 1e-6 && reply;
    },
    'the delta is there',
    WITHIN_MS,
  );
  expect(latest).toMatchObject({ partition: endpoint.partition, sample: { epoch: 1, delta: expect.any(Uint8Array) } });
  expect(latest.partitions).toContain(endpoint.partition);
});
