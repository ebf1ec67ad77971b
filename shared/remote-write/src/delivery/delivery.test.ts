import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { LogFields, Logger } from '@muster/runtime/program';
import { silentLogger } from '@muster/runtime';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { decodeV1, decodeV2, type DecodedSeries } from '../testing/decode.js';
import { Receiver } from '../testing/receiver.js';
import { startWriter, type TestWriter } from '../testing/writer.js';
import type { EndpointSamples } from '../series/series-table.js';
import type { RemoteWriteOptions } from '../remote-writer.js';

const WITHIN_MS = 30_000;
const NEVER = new AbortController().signal;
/** No jitter, so that a fake clock can say when the next attempt comes. */
const AT_ONCE = { baseMs: 0, capMs: 0 };

describe('delivery', () => {
  const clock = new FakeClock();
  let receiver: Receiver;
  let url: URL;
  let started: TestWriter[];

  beforeEach(async () => {
    receiver = new Receiver();
    started = [];
    url = await receiver.start();
  });
  afterEach(async () => {
    await Promise.all(started.map(({ writer }) => writer.stop(AbortSignal.abort())));
    await receiver.stop();
    // oxlint-disable-next-line jest/no-standalone-expect -- a leak is a fault of every test
    expect(clock.pendingTimers).toBe(0);
  });

  const start = (options: Partial<RemoteWriteOptions> = {}, logger: Logger = silentLogger): TestWriter => {
    const one = startWriter({ url, shards: 1, batchSamples: 1, ...options }, { clock, logger });
    started.push(one);
    return one;
  };
  const sample = (value: number, endpoint = 'a', timestampMs = clock.now() - 10_000 + value): EndpointSamples => ({
    ...{ endpoint, labels: { agent: endpoint }, timestampMs },
    samples: [{ name: 'system_uptime_seconds', value }],
  });
  const requests = (count: number) =>
    eventually(() => receiver.requests.length >= count, `${count} requests`, WITHIN_MS);
  const counted = (one: TestWriter, name: string, value: number) =>
    eventually(async () => (await one.counts())[name] === value, `${name} is ${value}`, WITHIN_MS);
  const valuesOf = (series: DecodedSeries[]) => series.flatMap(({ samples }) => samples.map(({ value }) => value));
  const received = () => receiver.requests.flatMap(({ body }) => valuesOf(decodeV1(body)));
  /** Lets what is under way in this process happen; nothing more may come of it. */
  const turns = async () => {
    for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  test('has the headers and the body of protocol 1.0', async () => {
    const one = start({ headers: { Authorization: 'Bearer t', 'X-Scope-OrgID': 'fleet' } });
    one.writer.append([sample(7)]);
    await requests(1);
    const [{ headers, body }] = receiver.requests as [(typeof receiver.requests)[number]];
    expect(headers).toMatchObject({
      'content-encoding': 'snappy',
      'content-type': 'application/x-protobuf',
      'x-prometheus-remote-write-version': '0.1.0',
      'user-agent': 'muster',
      authorization: 'Bearer t',
      'x-scope-orgid': 'fleet',
    });
    const labels = [
      ['__name__', 'system_uptime_seconds'],
      ['agent', 'a'],
    ];
    expect(decodeV1(body)).toEqual([{ labels, samples: [{ timeMs: clock.now() - 9_993, value: 7 }] }]);
  });

  test('waits as long as Retry-After of a 429 says, then sends the same again before anything later', async () => {
    receiver.reply = (number) => (number === 0 ? { status: 429, headers: { 'Retry-After': '7' } } : { status: 204 });
    const one = start({ backoff: AT_ONCE });
    one.writer.append([sample(1), sample(2)]);
    await counted(one, 'requests_failed_total{reason="throttled"}', 1);
    await clock.advanceAsync(6_999);
    await turns();
    expect(receiver.requests).toHaveLength(1);
    await clock.advanceAsync(1);
    await requests(3);
    expect(received()).toEqual([1, 1, 2]);
    await counted(one, 'samples_sent_total', 2);
  });

  test('sends again after each 5xx and each lost connection, with growing pauses', async () => {
    receiver.reply = (number) => (number < 3 ? { status: 503 } : number === 3 ? 'reset' : { status: 200 });
    const one = start({ backoff: { baseMs: 1_000, capMs: 60_000 } });
    one.writer.append([sample(1), sample(2)]);
    for (let failures = 1; failures <= 4; failures += 1) {
      await eventually(
        async () => {
          const counts = await one.counts();
          const failed = counts['requests_failed_total{reason="server_error"}']!;
          return failed + counts['requests_failed_total{reason="unreachable"}']! === failures;
        },
        `${failures} failures`,
        WITHIN_MS,
      );
      // Longer than the longest pause of this attempt.
      await clock.advanceAsync(1_000 * 2 ** failures);
      await requests(failures + 1);
    }
    await counted(one, 'samples_sent_total', 2);
    expect(received()).toEqual([1, 1, 1, 1, 1, 2]);
  });

  test.each([400, 401, 403, 404, 302])('drops and counts what is refused with %d, and goes on', async (status) => {
    receiver.reply = (number) => (number === 0 ? { status, text: 'no' } : { status: 204 });
    const lines: [string, LogFields | undefined][] = [];
    const logger: Logger = { ...silentLogger, warn: (message, fields) => lines.push([message, fields]) };
    const one = start({}, logger);
    one.writer.append([sample(1), sample(2)]);
    await counted(one, 'samples_sent_total', 1);
    expect(await one.counts()).toMatchObject({
      'samples_dropped_total{reason="rejected"}': 1,
      'requests_failed_total{reason="rejected"}': 1,
      pending_samples: 0,
    });
    expect(received()).toEqual([1, 2]);
    expect(lines).toEqual([['remote write fails', { reason: 'rejected', detail: `${status} no` }]]);
  });

  test('gives up a request that hangs after its time, and sends it again', async () => {
    receiver.reply = (number) => (number === 0 ? 'hang' : { status: 204 });
    const one = start({ timeoutMs: 5_000, backoff: AT_ONCE });
    one.writer.append([sample(1)]);
    await requests(1);
    await clock.advanceAsync(4_999);
    expect(await one.counts()).toMatchObject({ 'requests_failed_total{reason="timeout"}': 0, pending_samples: 1 });
    await clock.advanceAsync(1);
    await counted(one, 'requests_failed_total{reason="timeout"}', 1);
    await clock.advanceAsync(1);
    await requests(2);
    await counted(one, 'samples_sent_total', 1);
  });

  test('holds no other shard up while one store connection is slow', async () => {
    let release: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (release = resolve));
    receiver.reply = async (_, { body }) => {
      if (decodeV1(body)[0]!.labels.some(([, value]) => value === 'slow')) await slow;
      return { status: 204 };
    };
    const one = start({ shards: 8 });
    one.writer.append([sample(1, 'slow')]);
    const others = Array.from({ length: 32 }, (_, index) => `other-${index}`);
    one.writer.append(others.map((endpoint) => sample(2, endpoint)));
    // An eighth of the others share the shard of the slow one, give or take.
    await eventually(async () => (await one.counts())['samples_sent_total']! >= 16, 'others are sent', WITHIN_MS);
    expect((await one.counts())['pending_samples']).toBeGreaterThanOrEqual(1);
    release();
    await counted(one, 'samples_sent_total', 33);
  });

  test('sends a batch when it is full, and else when its oldest sample has waited long enough', async () => {
    const one = start({ batchSamples: 3, batchAgeMs: 4_000 });
    one.writer.append([sample(1), sample(2)]);
    await clock.advanceAsync(3_999);
    await turns();
    expect(receiver.requests).toHaveLength(0);
    await clock.advanceAsync(1);
    await requests(1);
    await counted(one, 'samples_sent_total', 2);
    one.writer.append([sample(3), sample(4), sample(5)]);
    await requests(2);
    expect(decodeV1(receiver.requests[1]!.body)).toMatchObject([
      { samples: [{ value: 3 }, { value: 4 }, { value: 5 }] },
    ]);
  });

  test('keeps the newest within the bound while the store is away, and counts the oldest as dropped', async () => {
    receiver.reply = () => ({ status: 500 });
    const one = start({ pendingSamples: 10_000, batchSamples: 100, backoff: { baseMs: 1e9, capMs: 1e9 } });
    for (let value = 0; value < 250_000; value += 1) {
      one.writer.append([sample(value, 'a', clock.now() - 1_000_000 + value)]);
      if (value === 99) await counted(one, 'requests_failed_total{reason="server_error"}', 1);
    }
    const counts = await one.counts();
    expect(counts['pending_samples']).toBe(10_100);
    expect(counts['samples_dropped_total{reason="queue_full"}']).toBe(250_000 - 10_100);
    expect(counts['behind_seconds']).toBe(1_000);
    receiver.reply = () => ({ status: 204 });
    await one.writer.stop(NEVER);
    const kept = [
      ...Array.from({ length: 100 }, (_, index) => index),
      ...Array.from({ length: 10_000 }, (_, index) => 240_000 + index),
    ];
    // The first request was sent twice.
    expect(received().slice(100)).toEqual(kept);
    expect(await one.counts()).toMatchObject({ samples_sent_total: 10_100, pending_samples: 0, behind_seconds: 0 });
  });

  test('drops what became too old while the store was away, and sends the rest', async () => {
    const later = { status: 503, headers: { 'Retry-After': '30' } };
    receiver.reply = (number) => (number === 0 ? later : { status: 204 });
    const one = start({ batchSamples: 2, maxSampleAgeMs: 60_000, backoff: AT_ONCE });
    one.writer.append([sample(1, 'a', clock.now() - 40_000), sample(2, 'a', clock.now())]);
    await counted(one, 'requests_failed_total{reason="server_error"}', 1);
    await clock.advanceAsync(30_000);
    await counted(one, 'samples_sent_total', 1);
    expect(await one.counts()).toMatchObject({ 'samples_dropped_total{reason="too_old"}': 1, pending_samples: 0 });
    expect(valuesOf(decodeV1(receiver.requests[1]!.body))).toEqual([2]);
  });

  test('sends what waits when it stops, also in the middle of a pause, and takes no more', async () => {
    receiver.reply = (number) => (number === 0 ? { status: 503 } : { status: 204 });
    const one = start({ batchSamples: 2, backoff: { baseMs: 1e9, capMs: 1e9 } });
    one.writer.append([sample(1), sample(2), sample(3)]);
    await counted(one, 'requests_failed_total{reason="server_error"}', 1);
    await one.writer.stop(NEVER);
    one.writer.append([sample(4)]);
    expect(received()).toEqual([1, 2, 1, 2, 3]);
    expect(await one.counts()).toMatchObject({ samples_sent_total: 3, 'samples_dropped_total{reason="stopped"}': 1 });
  });

  test('ends its stop in time though the store hangs, and counts what it drops', async () => {
    receiver.reply = () => 'hang';
    const one = start({ batchSamples: 2, flushMs: 5_000 });
    one.writer.append([sample(1), sample(2), sample(3)]);
    await requests(1);
    const stopping = one.writer.stop(NEVER);
    await clock.advanceAsync(4_999);
    expect(await one.counts()).toMatchObject({ 'samples_dropped_total{reason="stopped"}': 0, pending_samples: 3 });
    await clock.advanceAsync(1);
    await stopping;
    expect(await one.counts()).toMatchObject({ 'samples_dropped_total{reason="stopped"}': 3, pending_samples: 0 });
  });

  test('writes protocol 2.0 where the store knows it', async () => {
    receiver.reply = () => ({ status: 204, headers: { 'X-Prometheus-Remote-Write-Samples-Written': '1' } });
    const one = start({ protocol: '2.0', labels: { external: { zone: 'z' } } });
    const samples = [{ name: 'system_cpu_utilization', labels: { cpu: '0', state: 'user' }, value: 0.25 }];
    one.writer.append([{ endpoint: 'a', labels: { agent: 'a' }, timestampMs: clock.now(), samples }]);
    await counted(one, 'samples_sent_total', 1);
    const { headers, body } = receiver.requests[0]!;
    expect(headers).toMatchObject({
      'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
      'x-prometheus-remote-write-version': '2.0.0',
    });
    const labels = [
      ['__name__', 'system_cpu_utilization'],
      ...[
        ['agent', 'a'],
        ['cpu', '0'],
        ['state', 'user'],
        ['zone', 'z'],
      ],
    ];
    const metadata = { type: 2, help: 'Share of time.', unit: 'ratio' };
    expect(decodeV2(body)).toEqual([{ labels, samples: [{ timeMs: clock.now(), value: 0.25 }], metadata }]);
  });

  test('counts what a 2.0 store says that it left out', async () => {
    const headers = { 'X-Prometheus-Remote-Write-Samples-Written': '1' };
    receiver.reply = (number) => ({ status: number === 0 ? 204 : 400, headers });
    const one = start({ protocol: '2.0', batchSamples: 3 });
    one.writer.append([sample(1), sample(2), sample(3)]);
    await counted(one, 'samples_dropped_total{reason="not_written"}', 2);
    one.writer.append([sample(4), sample(5), sample(6)]);
    await counted(one, 'samples_dropped_total{reason="rejected"}', 2);
    expect(await one.counts()).toMatchObject({ samples_sent_total: 2 });
  });

  test.each([
    ['says 415', { status: 415 }],
    ['takes 2.0 without saying what it wrote', { status: 204 }],
  ])('falls back to 1.0 for good where the store %s', async (_, reply) => {
    receiver.reply = (_number, { headers }) => (headers['content-type']!.includes('proto=') ? reply : { status: 204 });
    const one = start({ protocol: '2.0' });
    one.writer.append([sample(1), sample(2)]);
    await counted(one, 'samples_sent_total', 2);
    expect(receiver.requests).toHaveLength(3);
    const [, ...v1] = receiver.requests;
    expect(v1.flatMap(({ body }) => valuesOf(decodeV1(body)))).toEqual([1, 2]);
  });
});
