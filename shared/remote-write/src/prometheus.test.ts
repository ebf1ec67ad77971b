// oxlint-disable jest/no-standalone-expect -- the rule does not see that testWithPrometheus is a test
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ensureBinary } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { TestPrometheus } from './testing/prometheus.js';
import { startWriter, type TestWriter } from './testing/writer.js';

// Reported as skipped where Prometheus can neither be found nor installed.
const program = await ensureBinary('prometheus', 'prometheus', { logger: silentLogger }).catch(() => undefined);
const testWithPrometheus = program === undefined ? test.skip : test;
const WITHIN_MS = 90_000;
const NEVER = new AbortController().signal;

describe('a real Prometheus', () => {
  let prometheus: TestPrometheus;
  const writers: TestWriter[] = [];
  const start: typeof startWriter = (options, context) => {
    const started = startWriter(options, context);
    writers.push(started);
    return started;
  };
  beforeAll(async () => {
    if (program === undefined) return;
    prometheus = new TestPrometheus(program);
    await prometheus.start();
  }, WITHIN_MS);
  afterAll(async () => {
    await Promise.all(writers.map(({ writer }) => writer.stop(AbortSignal.abort())));
    await prometheus?.stop();
  }, WITHIN_MS);

  testWithPrometheus('has what was written: each value, each time, in sequence', async () => {
    const { writer, counts } = start({ url: prometheus.writeUrl, labels: { external: { cluster: 'exact' } } });
    const values = [0, 0.1, -1.5, 1e300, 5e-324, Number.MAX_SAFE_INTEGER, 1 / 3, 42];
    const firstMs = Date.now() - 60_000;
    const endpoints = Array.from({ length: 200 }, (_, index) => `agent-${index}`);
    for (const [index, value] of values.entries()) {
      writer.append(
        endpoints.map((agent, number) => ({
          endpoint: agent,
          labels: { org: 'acme', agent, host: `host-${number}`, os: 'linux', secret: 'not written' },
          timestampMs: firstMs + index * 1_000,
          samples: [
            { name: 'system_uptime_seconds', value },
            { name: 'system_cpu_utilization', labels: { cpu: '0', state: 'user' }, value: value + number },
          ],
        })),
      );
    }
    await writer.stop(NEVER);
    expect(await counts()).toMatchObject({ samples_sent_total: 3_200, pending_samples: 0 });
    const stored = await prometheus.query('system_uptime_seconds{cluster="exact"}[10m]');
    expect(stored).toHaveLength(200);
    for (const { samples } of stored) {
      expect(samples.map(({ timeMs }) => timeMs)).toEqual(values.map((_, index) => firstMs + index * 1_000));
      expect(samples.map(({ value }) => Number(value))).toEqual(values);
    }
    const [one] = await prometheus.query('system_cpu_utilization{cluster="exact",agent="agent-7"}[10m]');
    expect(one!.labels).toEqual({
      ...{ __name__: 'system_cpu_utilization', cluster: 'exact', org: 'acme', agent: 'agent-7', host: 'host-7' },
      ...{ os: 'linux', cpu: '0', state: 'user' },
    });
    expect(one!.samples.map(({ value }) => Number(value))).toEqual(values.map((value) => value + 7));
  });

  testWithPrometheus('shows no value of an endpoint that ended, and shows it again when it is back', async () => {
    const { writer } = start({ url: prometheus.writeUrl, labels: { external: { cluster: 'stale' } } });
    const atMs = Date.now() - 20_000;
    const append = (timestampMs: number, value: number): void =>
      writer.append([
        { endpoint: 'a', labels: { agent: 'a' }, timestampMs, samples: [{ name: 'system_uptime_seconds', value }] },
      ]);
    append(atMs, 1);
    writer.end('a');
    append(atMs + 10_000, 2);
    await writer.stop(NEVER);
    const at = async (timeMs: number) =>
      (await prometheus.query('system_uptime_seconds{cluster="stale"}', timeMs)).map(
        ({ samples }) => samples[0]!.value,
      );
    expect(await at(atMs)).toEqual(['1']);
    // Without the marker, Prometheus would go on for five minutes with the last value.
    expect(await at(atMs + 1)).toEqual([]);
    expect(await at(atMs + 9_999)).toEqual([]);
    expect(await at(atMs + 10_000)).toEqual(['2']);
  });

  testWithPrometheus('takes every label value that a hostile endpoint sends, as a value', async () => {
    const { writer, counts } = start({ url: prometheus.writeUrl, labels: { external: { cluster: 'hostile' } } });
    const hosts = ['"} 1\n# x', '\ud800', 'a\u0000b', '\u202egnp.exe', 'x'.repeat(100_000), '😀'.repeat(100), 'é'];
    writer.append(
      hosts.map((host, index) => ({
        endpoint: String(index),
        labels: { agent: String(index), host, __name__: 'forged', 'bad name': 'x', cluster: 'forged' },
        timestampMs: Date.now() - 1_000,
        samples: [
          { name: 'system_uptime_seconds', value: index },
          { name: 'system_network_io_bytes_total', labels: { device: host }, value: index },
        ],
      })),
    );
    await writer.stop(NEVER);
    expect(await counts()).toMatchObject({ samples_sent_total: 14, 'samples_dropped_total{reason="rejected"}': 0 });
    const stored = await prometheus.query('system_uptime_seconds{cluster="hostile"}');
    expect(
      stored
        .map(({ labels, samples }) => [Number(samples[0]!.value), labels['host']] as const)
        .sort(([a], [b]) => a - b),
    ).toEqual([
      [0, '"} 1# x'],
      [1, '\ufffd'],
      [2, 'ab'],
      [3, 'gnp.exe'],
      [4, 'x'.repeat(128)],
      [5, '😀'.repeat(64)],
      [6, 'é'],
    ]);
    expect(await prometheus.query('{cluster="forged"}')).toEqual([]);
    expect(await prometheus.query('forged')).toEqual([]);
  });

  testWithPrometheus('of an older version gets 1.0 where 2.0 is configured, and loses nothing', async () => {
    const { writer, counts } = start({
      url: prometheus.writeUrl,
      protocol: '2.0',
      labels: { external: { cluster: 'two' } },
    });
    for (let index = 0; index < 10; index += 1) {
      writer.append([
        {
          endpoint: String(index),
          labels: { agent: String(index) },
          timestampMs: Date.now() - 1_000,
          samples: [{ name: 'system_uptime_seconds', value: index }],
        },
      ]);
    }
    await writer.stop(NEVER);
    expect(await counts()).toMatchObject({ samples_sent_total: 10 });
    expect(await prometheus.query('system_uptime_seconds{cluster="two"}')).toHaveLength(10);
  });

  testWithPrometheus(
    'that is killed and comes back has everything that was written meanwhile',
    async () => {
      const { writer, counts } = start({ url: prometheus.writeUrl, labels: { external: { cluster: 'killed' } } });
      const firstMs = Date.now() - 120_000;
      let next = 0;
      const append = (count: number): void => {
        for (const end = next + count; next < end; next += 1) {
          const timestampMs = firstMs + next * 100;
          const samples = [{ name: 'system_uptime_seconds', value: next }];
          writer.append(
            Array.from({ length: 50 }, (_, number) => ({
              ...{ endpoint: String(number), labels: { agent: String(number) } },
              ...{ timestampMs, samples },
            })),
          );
        }
      };
      append(100);
      await eventually(async () => (await counts())['samples_sent_total']! > 1_000, 'the first are sent', WITHIN_MS);
      // Requests are under way.
      append(50);
      await prometheus.kill9();
      append(300);
      await eventually(
        async () => (await counts())['requests_failed_total{reason="unreachable"}']! > 3,
        'requests fail',
        WITHIN_MS,
      );
      await prometheus.start();
      append(50);
      await eventually(async () => (await counts())['pending_samples'] === 0, 'all are settled', WITHIN_MS);
      const stored = await prometheus.query('system_uptime_seconds{cluster="killed"}[10m]');
      expect(stored).toHaveLength(50);
      for (const { samples } of stored) {
        expect(samples).toEqual(
          Array.from({ length: 500 }, (_, index) => ({ timeMs: firstMs + index * 100, value: String(index) })),
        );
      }
    },
    4 * WITHIN_MS,
  );
});
