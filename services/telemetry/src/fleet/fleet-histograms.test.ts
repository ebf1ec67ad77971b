import { expect, test } from '@jest/globals';
import type { Endpoint } from '@muster/directory';
import { createMetrics } from '@muster/runtime';
import { EndpointTable } from '../samples/endpoint-table.js';
import { VITALS } from '../samples/vitals.js';
import { FakeEndpoint } from '../testing/fake-endpoint.js';
import { FleetHistograms } from './fleet-histograms.js';
import { parseFleetLabels } from './fleet-labels.js';
import { createFleetMetrics } from './fleet-metrics.js';

function start(labelsText: string) {
  const parsed = parseFleetLabels(labelsText);
  if (!parsed.ok) throw new Error(parsed.fault);
  const { labels } = parsed;
  const table = new EndpointTable();
  const directory = new Map<number, Endpoint>();
  const fleet = new FleetHistograms({ table, labels, endpointOf: (num) => directory.get(num) });
  const metrics = createMetrics('telemetry');
  createFleetMetrics(metrics, { fleet: () => fleet, labels, beforeRead: () => undefined });
  const put = (endpoint: Endpoint, cpu: number): void => {
    directory.set(endpoint.num, endpoint);
    const known = table.slotOf(endpoint.num);
    const slot = known ?? table.add(endpoint.num, 0);
    if (known !== undefined) fleet.leave(slot);
    table.vitals[slot * VITALS.length] = cpu;
    fleet.begin(slot);
    fleet.join(slot);
  };
  const scrape = async (): Promise<string[]> => (await metrics.registry.metrics()).split('\n');
  return { table, fleet, put, scrape };
}

test('endpoints are counted by organisation, system and label values that were named; all other values are one', async () => {
  const { put, scrape } = start('env=prod|staging');
  const labels: Record<string, string>[] = [{ env: 'prod' }, { env: 'prod' }, { env: 'chosen-by-an-endpoint' }, {}];
  labels.forEach((each, i) => put(new FakeEndpoint(i + 1).endpoint(each), 0.15));
  const lines = await scrape();
  expect(lines.filter((line) => line.startsWith('muster_telemetry_endpoints{')).sort()).toEqual([
    'muster_telemetry_endpoints{org="acme",os="linux",env="none"} 1',
    'muster_telemetry_endpoints{org="acme",os="linux",env="other"} 1',
    'muster_telemetry_endpoints{org="acme",os="linux",env="prod"} 2',
  ]);
  expect(lines.join('\n')).not.toContain('chosen-by-an-endpoint');
});

test('a histogram tells how it is now: a sample replaces the one before', async () => {
  const { put, scrape, table, fleet } = start('');
  const [one, two] = [new FakeEndpoint(1).endpoint(), new FakeEndpoint(2).endpoint()];
  put(one, 0.15);
  put(two, 0.95);
  put(one, 0.97);
  const cpu = (lines: string[]) => lines.filter((line) => line.startsWith('muster_telemetry_endpoint_cpu_ratio'));
  const of = 'org="acme",os="linux"';
  const lines = cpu(await scrape());
  expect(lines).toContain(`muster_telemetry_endpoint_cpu_ratio_bucket{le="0.2",${of}} 0`);
  expect(lines).toContain(`muster_telemetry_endpoint_cpu_ratio_bucket{le="0.95",${of}} 1`);
  expect(lines).toContain(`muster_telemetry_endpoint_cpu_ratio_bucket{le="+Inf",${of}} 2`);
  expect(lines).toContain(`muster_telemetry_endpoint_cpu_ratio_count{${of}} 2`);
  for (const num of [1, 2]) {
    fleet.leave(table.slotOf(num)!);
    table.remove(table.slotOf(num)!);
  }
  expect(cpu(await scrape())).toEqual([]);
});

test.each([
  ['env', /is not like/],
  ['host=a|b', /cannot be used/],
  ['env=a,env=b', /named twice/],
  ['a=1,b=1,c=1,d=1,e=1', /more than 4/],
])('labels %s are refused', (text, fault) => {
  expect(parseFleetLabels(text)).toEqual({ ok: false, fault: expect.stringMatching(fault) });
});
