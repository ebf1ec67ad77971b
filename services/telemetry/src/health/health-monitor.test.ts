import { afterEach, expect, test } from '@jest/globals';
import type { AppendResult, StreamStore } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import type { Endpoint } from '@muster/directory';
import type { SampleItem } from '@muster/messages';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type HealthRecord } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { EndpointRemoval } from '../endpoint-removal.js';
import { EndpointTable } from '../samples/endpoint-table.js';
import { Expiry } from '../samples/expiry.js';
import { SampleProcessor } from '../samples/sample-processor.js';
import { FakeEndpoint, type Measured } from '../testing/fake-endpoint.js';
import { healthMetrics } from './health-metrics.js';
import { HealthMonitor } from './health-monitor.js';
import { DEFAULT_HEALTH_POLICY } from './health-policy.js';
import { HealthRecords } from './health-records.js';
import { SilenceRecorder } from './silence-recorder.js';

const HOUR = 3_600_000;
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** One instance with the endpoints of a test. `broker`: that of another instance; `append`: as the broker takes records. */
async function start(
  options: {
    readonly endpoints?: readonly FakeEndpoint[];
    readonly broker?: MemoryBroker;
    readonly append?: (append: () => Promise<AppendResult>) => Promise<AppendResult>;
  } = {},
) {
  const { broker = new MemoryBroker(), append = (run) => run(), endpoints = [new FakeEndpoint(1)] } = options;
  const { streams, ...connection } = broker.connect();
  stops.push(() => connection.stop?.());
  await streams.ensure([STREAMS.health]);
  const clock = new FakeClock();
  const table = new EndpointTable();
  const directory = new Map<number, Endpoint>(endpoints.map((one) => [one.num, one.endpoint()]));
  const live = { health: () => health.counts(), beforeRead: () => undefined };
  const store = new Proxy(streams, {
    get: (target, name: keyof StreamStore) => {
      if (name === 'append')
        return (...what: Parameters<StreamStore['append']>) => append(() => target.append(...what));
      const value: unknown = target[name];
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const records = new HealthRecords({
    ...{ streams: store, logger: silentLogger, metrics: healthMetrics(createMetrics('telemetry'), live) },
  });
  await records.start();
  stops.push(() => records.stop());
  const endpointOf = (num: number): Endpoint | undefined => directory.get(num);
  const health: HealthMonitor = new HealthMonitor({
    ...{ clock, table, records, endpointOf, policy: () => DEFAULT_HEALTH_POLICY },
  });
  const processor = new SampleProcessor({
    ...{ clock, table, maxEndpoints: 100_000, directory: { byNum: endpointOf } },
    observer: {
      begin: (slot) => health.begin(slot),
      leave: () => undefined,
      join: (slot) => health.judge(slot),
    },
    onValueFault: () => undefined,
    onNoKeyframe: () => undefined,
  });
  const fleet = { begin: () => undefined, leave: () => undefined, join: () => undefined };
  const silences = new SilenceRecorder({
    ...{ clock, record: (silence) => health.recordSilence(silence), onDropped: () => undefined },
    isBack: (num) => table.slotOf(num) !== undefined,
  });
  stops.push(() => silences.stop());
  const removal = new EndpointRemoval({ table, fleet, health, records, silences, samples: undefined });
  const expiry = new Expiry({
    ...{ clock, table, expiryMs: 180_000, ask: () => true, heardForMs: () => clock.monotonic() },
    expire: (slot) => removal.expired(slot),
  });
  expiry.start();
  stops.push(() => expiry.stop());
  const take = (item: SampleItem): string => processor.process(item, (endpoints[0] as FakeEndpoint).partition);
  /** A sample that came to a gateway whose clock is ahead by so much. */
  const sample = (one: FakeEndpoint, measured: Measured, aheadMs = 0, ageMs = 0): string => {
    const kind = one.seq === 0 ? 'keyframe' : 'delta';
    const item = one.sample(measured, clock.now() - ageMs, kind, clock.now() - ageMs + aheadMs);
    return processor.process(
      [...(item.slice(0, 7) as unknown as [...SampleItem]), 60_000, ageMs] as never,
      one.partition,
    );
  };
  const kept = async (): Promise<string[]> => {
    const all: string[] = [];
    for await (const { data } of streams.read(STREAMS.health.name)) {
      const { num, before, state, rules } = decodeRecord<HealthRecord>(data);
      all.push(`${num}: ${before} → ${state} ${rules.map(({ rule }) => rule).join()}`.trim());
    }
    return all;
  };
  return { broker, streams, clock, table, records, health, silences, removal, expiry, take, sample, kept };
}

test('health goes on when an endpoint moves from a gateway whose clock is ahead', async () => {
  const one = new FakeEndpoint(1);
  const { sample, records, kept } = await start({ endpoints: [one] });
  sample(one, { disk: 0.98 }, HOUR);
  await eventually(() => records.get(1)?.state === 'critical');
  one.reconnects();
  sample(one, { disk: 0.5 });
  await eventually(() => records.get(1)?.state === 'ok');
  expect(await kept()).toEqual(['1: ok → critical disk_nearly_full', '1: critical → ok']);
});

test('what comes again after a partition was taken over is older than the last change, whatever gateways say that the time is', async () => {
  const one = new FakeEndpoint(1);
  const first = await start({ endpoints: [one] });
  first.sample(one, { disk: 0.5 });
  const keyframe = one.keyframe as SampleItem;
  first.sample(one, { disk: 0.98 });
  await eventually(() => first.records.get(1)?.state === 'critical');
  const second = await start({ endpoints: [one], broker: first.broker });
  expect(second.records.get(1)?.state).toBe('critical');
  const [org, agentId, num, epoch, type, atMs, body] = keyframe;
  expect(second.take([org, agentId, num, epoch, type, atMs + HOUR, body])).toBe('keyframe');
  await new Promise((resolve) => setImmediate(resolve));
  second.sample(one, { disk: 0.98 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(await second.kept()).toEqual(['1: ok → critical disk_nearly_full']);
  second.sample(one, { disk: 0.5 });
  await eventually(() => second.records.get(1)?.state === 'ok');
  expect(await second.kept()).toEqual(['1: ok → critical disk_nearly_full', '1: critical → ok']);
});

test('a rule counts from when readings were taken, not from when a poll brought them', async () => {
  const one = new FakeEndpoint(1);
  const { clock, sample, records, health } = await start({ endpoints: [one] });
  const counts = (): number => health.counts().warning;
  // The rule about memory has five minutes.
  sample(one, { memory: 0.92 });
  for (let minute = 1; minute < 5; minute += 1) {
    clock.advance(60_000);
    sample(one, { memory: 0.92 });
  }
  clock.advance(110_000);
  sample(one, { memory: 0.92 }, 0, 60_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(counts()).toBe(0);
  sample(one, { memory: 0.92 }, 0, 0);
  await eventually(() => records.get(1)?.state === 'warning');
});

test('the silence of a thousand endpoints is recorded, also when the broker did not take it at first; they take no room meanwhile', async () => {
  const COUNT = 1_000;
  const endpoints = Array.from({ length: COUNT }, (_, i) => new FakeEndpoint(i + 1));
  let isAway = true;
  const { clock, table, silences, sample, kept } = await start({
    endpoints,
    append: (run) => (isAway ? Promise.resolve({ kind: 'unavailable' } as AppendResult) : run()),
  });
  for (const one of endpoints) sample(one, {});
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i += 1) {
      await clock.advanceAsync(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await pass(200);
  expect([table.size, [...silences.pending()].length, await kept()]).toEqual([0, COUNT, []]);
  isAway = false;
  await pass(20);
  expect([...silences.pending()]).toEqual([]);
  expect(new Set(await kept())).toEqual(new Set(endpoints.map(({ num }) => `${num}: ok → warning silent`)));
});

test('a silence that waits to be recorded is dropped where the endpoint sends again, its partition goes to another or it is removed', async () => {
  const endpoints = [1, 2, 3].map((num) => new FakeEndpoint(num));
  const [back, lost, removed] = endpoints as [FakeEndpoint, FakeEndpoint, FakeEndpoint];
  let isAway = true;
  const { clock, silences, removal, sample, kept } = await start({
    endpoints,
    append: (run) => (isAway ? Promise.resolve({ kind: 'unavailable' } as AppendResult) : run()),
  });
  for (const one of endpoints) sample(one, {});
  await clock.advanceAsync(200_000);
  expect(new Set(silences.pending())).toEqual(new Set([1, 2, 3]));
  back.reconnects();
  expect(sample(back, {})).toBe('keyframe');
  removal.lost(new Set([lost.partition]));
  removal.changed(removed.endpoint(), 'removed');
  await clock.advanceAsync(1_000);
  expect([...silences.pending()]).toEqual([]);
  isAway = false;
  await clock.advanceAsync(1_000);
  expect(await kept()).toEqual([]);
});

test('what comes again after an upgrade is older than the last change also where that has no session: the version before did not say it', async () => {
  const one = new FakeEndpoint(1);
  const first = await start({ endpoints: [one] });
  const { org, agentId, num } = one.endpoint();
  const old = { atMs: first.clock.now(), org, agentId, num, state: 'critical', before: 'ok', prev: 0 } as const;
  const rules = [{ rule: 'disk_nearly_full', state: 'critical' }] as const;
  await first.streams.append(
    STREAM_SUBJECTS.health(org, agentId),
    encodeRecord({ ...old, rules } satisfies HealthRecord),
  );
  await eventually(() => first.records.get(1)?.state === 'critical');
  // The gateway's keyframe is of before the disk was full.
  expect(first.sample(one, { disk: 0.5 }, -HOUR)).toBe('keyframe');
  await new Promise((resolve) => setImmediate(resolve));
  expect(await first.kept()).toEqual(['1: ok → critical disk_nearly_full']);
  first.clock.advance(60_000);
  first.sample(one, { disk: 0.5 });
  await eventually(() => first.records.get(1)?.state === 'ok');
});
