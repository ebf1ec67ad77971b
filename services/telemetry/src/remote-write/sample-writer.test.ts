import { expect, test } from '@jest/globals';
import type { Endpoint } from '@muster/directory';
import type { EndpointSamples } from '@muster/remote-write';
import { EndpointTable } from '../samples/endpoint-table.js';
import { FakeEndpoint } from '../testing/fake-endpoint.js';
import { metricDefinitions } from './metric-definitions.js';
import { SampleWriter } from './sample-writer.js';

test('names are those of the OpenTelemetry collector, and every value of a sample has a definition with its labels', () => {
  const definitions = new Map(metricDefinitions().map((one) => [one.name, one]));
  expect(definitions.get('system_cpu_time_seconds_total')).toMatchObject({
    type: 'counter',
    labels: ['cpu_mode', 'cpu'],
  });
  for (const name of ['system_cpu_utilization_ratio', 'system_memory_usage_bytes', 'system_cpu_load_average_1m']) {
    expect(definitions.get(name)?.type).toBe('gauge');
  }
  expect(definitions.get('system_network_io_bytes_total')?.labels).toEqual([
    'network_io_direction',
    'network_interface_name',
  ]);

  const table = new EndpointTable();
  const fake = new FakeEndpoint(7);
  const endpoint: Endpoint = fake.endpoint({
    env: 'prod',
    host: 'of another',
    agent: 'forged',
  });
  const written: EndpointSamples[] = [];
  const ended: string[] = [];
  const writer = new SampleWriter({
    ...{ table, endpointOf: () => endpoint },
    writer: {
      append: (batch) => written.push(...batch),
      end: (id) => ended.push(`end ${id}`),
      release: (id) => ended.push(`release ${id}`),
    },
  });
  const slot = table.add(7, 0);
  table.setKeyframe(slot, fake.sample({ cpu: 0.5 }, 1_000, 'keyframe')[6]);
  table.setDelta(slot, fake.sample({ cpu: 0.75 }, 2_000, 'delta')[6]);
  table.receivedMs[slot] = 2_020;
  writer.write(slot);
  writer.write(slot);
  const [one, again] = written;
  expect(one).toMatchObject({ endpoint: '7', timestampMs: 2_020 });
  expect(one?.labels).toMatchObject({
    org: 'acme',
    agent: fake.agentId,
    host: 'host-7',
    os: 'linux',
    env: 'prod',
  });
  expect(again?.labels).toBe(one?.labels);
  expect(one?.samples.find(({ name }) => name === 'system_cpu_utilization_ratio')?.value).toBe(0.75);
  for (const { name, labels = {} } of one?.samples ?? []) {
    expect([name, definitions.get(name)?.labels]).toEqual([name, expect.arrayContaining(Object.keys(labels))]);
  }
  // Those of single processors come last, and leave room.
  const ofCores = one?.samples.map(({ labels, isDetail = false }) => [labels?.['cpu'] !== undefined, isDetail]) ?? [];
  const from = ofCores.findIndex(([isCore]) => isCore);
  expect(ofCores).toEqual(ofCores.map((_, i) => [i >= from, i >= from]));
  expect([from > 0, from < ofCores.length]).toEqual([true, true]);
  writer.end(slot);
  writer.release(slot);
  expect(ended).toEqual(['end 7', 'release 7']);
});
