import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { METRICS_PARTITIONS } from '@muster/host-metrics';
import {
  decodeBusMessage,
  SUBJECTS,
  type HealthList,
  type HealthStates,
  type TelemetryHeartbeat,
} from '@muster/messages';
import type { TelemetryServiceId } from '@muster/protocol';
import { decodeNumberSet, decodeRecord, STREAMS, type HealthRecord } from '@muster/records';
import { eventually } from '@muster/runtime/testing';
import type { TestProcess } from '@muster/testkit';
import { ORG } from '../testing/fake-endpoint.js';
import { scrape, TelemetryHarness } from '../testing/telemetry-harness.js';

const ENDPOINTS = 40;
/** Seconds on an idle machine. */
const WITHIN_MS = 60_000;

let harness: TelemetryHarness;
beforeEach(async () => {
  harness = await TelemetryHarness.open();
  await harness.enrol(ENDPOINTS);
});
afterEach(() => harness.close());

async function records(): Promise<HealthRecord[]> {
  const all: HealthRecord[] = [];
  for await (const entry of harness.broker.streams.read(STREAMS.health.name))
    all.push(decodeRecord<HealthRecord>(entry.data));
  return all;
}

const own = (services: readonly TestProcess[], endpoints: number) =>
  eventually(
    async () => {
      const all = await Promise.all(services.map(scrape));
      const sum = (of: 'partitions' | 'endpoints'): number => all.reduce((total, one) => total + one[of], 0);
      return sum('partitions') === METRICS_PARTITIONS && sum('endpoints') === endpoints;
    },
    'the services own all partitions and count all endpoints',
    WITHIN_MS,
  );

test('a change of health is recorded once, also when another service takes the endpoints over, and the list tells it', async () => {
  const one = await harness.startService();
  harness.measure({ disk: 0.5 }, 'keyframe');
  await own([one], ENDPOINTS);
  expect(await records()).toEqual([]);
  harness.measure({ disk: 0.98 }, 'delta');
  await eventually(async () => (await records()).length === ENDPOINTS, 'each change is recorded', WITHIN_MS);

  const two = await harness.startService();
  await own([one, two], ENDPOINTS);
  await one.kill();
  await own([two], ENDPOINTS);
  // Full as before: nothing new.
  harness.measure({ disk: 0.98 }, 'keyframe');
  harness.measure({ disk: 0.96 }, 'delta');
  const instance = await onlyInstance();
  const request = {
    t: 'health_list',
    org: ORG,
    selector: 'health=critical',
    limit: 100,
  } as const;
  const list = (await harness.ask(SUBJECTS.telemetryService(instance), request)) as HealthList;
  expect([list.rows.length, list.counts, list.isCut]).toEqual([
    ENDPOINTS,
    { ok: 0, warning: 0, critical: ENDPOINTS },
    false,
  ]);
  const [first] = await records();
  const sinceMs = first?.atMs;
  expect(list.rows[0]?.health).toEqual({
    ...{ state: 'critical', sinceMs: expect.any(Number) },
    rules: [
      {
        rule: 'disk_nearly_full',
        state: 'critical',
        value: expect.closeTo(0.96, 5),
        threshold: 0.97,
        sinceMs: expect.any(Number),
      },
    ],
  });
  expect(list.rows.map(({ health }) => health.rules[0]?.sinceMs)).toContain(sinceMs);

  const known = (await harness.ask(SUBJECTS.telemetryService(instance), {
    t: 'health_states',
    org: ORG,
  })) as HealthStates;
  expect(decodeNumberSet(known.states.critical)).toEqual(harness.endpoints.map(({ num }) => num).sort((a, b) => a - b));
  expect([...known.states.ok, ...known.states.warning]).toEqual([]);

  harness.measure({ disk: 0.5 }, 'delta');
  const all = await eventually(
    async () => {
      const read = await records();
      return read.length === 2 * ENDPOINTS && read;
    },
    'each end is recorded',
    WITHIN_MS,
  );
  for (const { agentId } of harness.endpoints) {
    const its = all.filter((record) => record.agentId === agentId).map(({ before, state }) => `${before} → ${state}`);
    expect(its).toEqual(['ok → critical', 'critical → ok']);
  }
});

test('of each rule that fails it is told since when, by what value now, over which threshold', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'muster-health-'));
  const path = join(folder, 'health.json');
  const rules = [
    { name: 'full', vital: 'disk', warning: 0.8, critical: 0.9 },
    { name: 'used', vital: 'memory', warning: 0.7 },
  ];
  await writeFile(path, JSON.stringify({ rules }));
  const one = await harness.startService({ MUSTER_HEALTH_POLICY_FILE: path });
  harness.measure({ disk: 0.85, memory: 0.5 }, 'keyframe');
  await own([one], ENDPOINTS);
  await eventually(async () => (await records()).length === ENDPOINTS, 'the first rule fails', WITHIN_MS);
  harness.measure({ disk: 0.86, memory: 0.75 }, 'delta');
  await eventually(async () => (await records()).length === 2 * ENDPOINTS, 'the second one too', WITHIN_MS);
  // No record: only the values are new.
  harness.measure({ disk: 0.87, memory: 0.76 }, 'delta');
  const request = { t: 'health_list', org: ORG, selector: '', limit: 100 } as const;
  const instance = await onlyInstance();
  const { rows } = (await harness.ask(SUBJECTS.telemetryService(instance), request)) as HealthList;
  const all = await records();
  for (const { agentId, health } of rows) {
    const [began, joined] = all.filter((record) => record.agentId === agentId).map(({ atMs }) => atMs);
    expect(health.rules).toEqual([
      { rule: 'full', state: 'warning', value: expect.closeTo(0.87, 5), threshold: 0.8, sinceMs: began },
      { rule: 'used', state: 'warning', value: expect.closeTo(0.76, 5), threshold: 0.7, sinceMs: joined },
    ]);
  }
  expect(rows).toHaveLength(ENDPOINTS);
  await rm(folder, { recursive: true });
});

test('endpoints that have always been well are counted in the list, too', async () => {
  const one = await harness.startService();
  harness.measure({ disk: 0.5 }, 'keyframe');
  await own([one], ENDPOINTS);
  const request = { t: 'health_list', org: ORG, selector: '', limit: 100 } as const;
  const list = (await harness.ask(SUBJECTS.telemetryService(await onlyInstance()), request)) as HealthList;
  expect([list.rows, list.counts]).toEqual([[], { ok: ENDPOINTS, warning: 0, critical: 0 }]);
});

test('an endpoint with a session that sends nothing is silent, one whose session ended is not, and both are forgotten', async () => {
  harness.answers = false;
  let heard: TelemetryServiceId | undefined;
  harness.broker.bus.subscribe(SUBJECTS.telemetryHeartbeats, ({ data }) => {
    heard = decodeBusMessage<TelemetryHeartbeat>(data, 'telemetry_beat')?.instance;
  });
  const service = await harness.startService({ MUSTER_TELEMETRY_EXPIRY: '1s' });
  await own([service], 0);
  harness.measure({}, 'keyframe');
  const [gone, ...silent] = harness.endpoints;
  harness.ended([[ORG, gone!.agentId, gone!.num, gone!.epoch]]);
  await eventually(async () => (await records()).length === silent.length, 'they are silent', WITHIN_MS);
  const all = await records();
  expect(all.every(({ state, rules }) => state === 'warning' && rules[0]?.rule === 'silent')).toBe(true);
  expect(all.some(({ agentId }) => agentId === gone!.agentId)).toBe(false);
  await own([service], 0);

  // They are in no slot any more, and are told all the same; of the one that left nothing is known.
  const asked = { org: ORG, selector: '', limit: 100 } as const;
  const instance = await eventually(() => heard, 'the service is heard', WITHIN_MS);
  const subject = SUBJECTS.telemetryService(instance);
  const list = (await harness.ask(subject, { t: 'health_list', ...asked })) as HealthList;
  expect([list.counts, list.rows.length]).toEqual([{ ok: 0, warning: silent.length, critical: 0 }, silent.length]);
  const known = (await harness.ask(subject, { t: 'health_states', org: ORG })) as HealthStates;
  expect(decodeNumberSet(known.states.warning)).not.toContain(gone!.num);
  expect(decodeNumberSet(known.states.warning)).toHaveLength(silent.length);
});

test('with remote write every value of every sample goes to the store', async () => {
  const { server, url, bodies } = await store();
  const service = await harness.startService({
    MUSTER_TELEMETRY_REMOTE_WRITE_URL: url,
    MUSTER_TELEMETRY_REMOTE_WRITE_BATCH_AGE: '100ms',
  });
  harness.measure({}, 'keyframe');
  const sent = /^muster_telemetry_remote_write_samples_sent_total (\d+)$/m;
  await own([service], ENDPOINTS);
  await eventually(
    async () => Number(sent.exec((await scrape(service)).text)?.[1]) >= ENDPOINTS * 100,
    'the store took them',
    WITHIN_MS,
  );
  expect(bodies()).toBeGreaterThan(0);
  server.close();
});

/** The one service that is heard. */
async function onlyInstance(): Promise<TelemetryServiceId> {
  const instances = new Set<TelemetryServiceId>();
  harness.broker.bus.subscribe(SUBJECTS.telemetryHeartbeats, ({ data }) => {
    const beat = decodeBusMessage<TelemetryHeartbeat>(data, 'telemetry_beat');
    if (beat !== undefined) instances.add(beat.instance);
  });
  await eventually(() => instances.size === 1, 'a service is heard', WITHIN_MS);
  const [instance] = [...instances] as [TelemetryServiceId];
  return instance;
}

/** A store that takes everything. */
async function store(): Promise<{
  readonly server: Server;
  readonly url: string;
  readonly bodies: () => number;
}> {
  let bodies = 0;
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      bodies += 1;
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`,
    bodies: () => bodies,
  };
}
