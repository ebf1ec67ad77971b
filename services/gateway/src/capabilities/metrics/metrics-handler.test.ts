import { describe, expect, it } from '@jest/globals';
import { metricsPartition } from '@muster/host-metrics';
import { FRAME, LIMITS, type AgentId, type FrameType } from '@muster/protocol';
import { frameTo, turn } from '../../testing/capability-harness.js';
import type { FakeSession } from '../../testing/fake-session.js';
import { bytes, metricsHarness as setUp, told } from '../../testing/metrics-harness.js';

describe('MetricsHandler', () => {
  it('tells agents with the capability how often to measure, and no others', async () => {
    const { join, handler } = await setUp();
    expect(told(join(1))).toEqual([{ everyMs: 60_000 }]);
    expect(told(join(2, { capabilities: ['query'] }))).toEqual([]);
    handler.stop();
  });

  it('passes frames on to the owner of the partition, unread, with session and time', async () => {
    const { join, send, flush, telemetry, clock, handler } = await setUp();
    const one = join(1, { epoch: 7 });
    expect(send(one, 'no sample at all', FRAME.keyframe)).toBeUndefined();
    send(one, 'delta');
    send(one, 'processes', FRAME.processes);
    const atMs = clock.now();
    await flush();
    expect(telemetry.itemsOf('a1' as AgentId)).toEqual([
      ['acme', 'a1', 1, 7, FRAME.keyframe, atMs, bytes('no sample at all'), 60_000],
      ['acme', 'a1', 1, 7, FRAME.delta, atMs, bytes('delta'), 60_000],
      ['acme', 'a1', 1, 7, FRAME.processes, atMs, bytes('processes'), 60_000],
    ]);
    handler.stop();
  });

  it('gives readings that one poll brings the moments at which they were measured', async () => {
    const { join, flush, telemetry, clock, handler } = await setUp();
    const { session } = join(1, { epoch: 7 });
    const send = (type: FrameType, ageMs: number) =>
      frameTo(handler, session, { type, ageMs, body: bytes(`${ageMs}`) });
    clock.advance(60_000);
    const nowMs = clock.now();
    send(FRAME.keyframe, 45_000);
    send(FRAME.delta, 25_000);
    send(FRAME.delta, 0);
    send(FRAME.processes, 3_000);
    // Not before the one that was sent before it.
    send(FRAME.delta, 50_000);
    await flush();
    const seen = (): unknown[] =>
      telemetry.itemsOf('a1' as AgentId).map(([, , , , , atMs, , , ageMs]) => [atMs - nowMs, ageMs]);
    expect(seen()).toEqual([
      [-45_000, 45_000],
      [-25_000, 25_000],
      [0, undefined],
      [-3_000, 3_000],
      [0, undefined],
    ]);
    handler.stop();
  });

  it('takes no sample for older than the session that it came in, whatever its agent says', async () => {
    const { join, flush, telemetry, clock, handler } = await setUp();
    clock.advance(3_600_000);
    const { session } = join(1, { epoch: 7 });
    clock.advance(10_000);
    const nowMs = clock.now();
    frameTo(handler, session, { type: FRAME.keyframe, ageMs: 0xffff_ffff, body: bytes('k') });
    await flush();
    expect(telemetry.itemsOf('a1' as AgentId).map(([, , , , , atMs]) => atMs - nowMs)).toEqual([-10_000]);
    handler.stop();
  });

  it('says how often samples of an agent come that polls seldom, also when it is asked again', async () => {
    const { join, send, flush, telemetry, handler } = await setUp();
    const one = join(1, { epoch: 7 });
    Object.assign(one.session.connection, { intervalMs: 120_000 });
    send(one, 'keyframe', FRAME.keyframe);
    await flush();
    Object.assign(one.session.connection, { intervalMs: 600_000 });
    telemetry.want({ agents: ['a1' as AgentId] });
    await turn();
    await flush();
    await flush();
    expect(telemetry.itemsOf('a1' as AgentId).map(([, , , , , , , everyMs]) => everyMs)).toEqual([120_000, 600_000]);
    handler.stop();
  });

  it('says after the keyframes of a partition that it has sent all of them, also when it has none', async () => {
    const { join, send, flush, telemetry, handler } = await setUp();
    const { session } = join(1);
    const partition = metricsPartition(session.agentId);
    const other = partition === 0 ? 1 : 0;
    send({ session } as FakeSession, 'keyframe', FRAME.keyframe);
    await flush();
    telemetry.want({ partitions: [partition, other], ask: 'one' });
    await turn();
    await flush();
    await flush();
    expect(telemetry.batches).toHaveLength(2);
    expect(telemetry.answers.toSorted(([a], [b]) => a - b)).toEqual(
      [partition, other]
        .toSorted((a, b) => a - b)
        .map((each) => [each, 'one', each === partition ? 2 : expect.any(Number)]),
    );
    handler.stop();
  });

  it('sends one batch for each partition and flush, and a large one at once', async () => {
    const { join, send, flush, telemetry, handler } = await setUp();
    const fakes = Array.from({ length: 200 }, (_, num) => join(num));
    send(fakes[0] as FakeSession, 'first');
    await flush();
    telemetry.batches.length = 0;
    for (const fake of fakes) for (const text of ['a', 'b']) send(fake, text);
    await turn();
    await flush();
    const partitions = new Set(fakes.map(({ session }) => metricsPartition(session.agentId)));
    expect(telemetry.batches).toHaveLength(partitions.size);
    expect(telemetry.batches.flatMap(({ items }) => items)).toHaveLength(400);
    telemetry.batches.length = 0;
    send(fakes[0] as FakeSession, 'x'.repeat(48 * 1024));
    await turn();
    expect(telemetry.batches).toHaveLength(1);
    handler.stop();
  });

  it('ends a session that sends samples without the capability, or a sample over the limit', async () => {
    const { join, send, handler } = await setUp();
    expect(send(join(1, { capabilities: ['query'] }), 'x')).toMatchObject({ reason: 'protocolError' });
    expect(send(join(2), 'x'.repeat(LIMITS.sampleBytes))).toBeUndefined();
    expect(send(join(3), 'x'.repeat(LIMITS.sampleBytes + 1))).toMatchObject({ reason: 'tooBig' });
    handler.stop();
  });

  it.each(['live', 'poll'] as const)(
    'takes a sample a second over %s, ignores more and counts them, and ends a flood',
    async (mode) => {
      const { join, send, clock, count, handler } = await setUp();
      const one = join(1, { mode });
      for (let second = 0; second < 300; second += 1) {
        clock.advance(1_000);
        send(one, 'x');
        if (second % 5 === 0) send(one, 'processes', FRAME.processes);
      }
      expect(await count('samples_total{result="over"}')).toBe(0);
      const burst = mode === 'live' ? 100 : 1_000;
      for (let i = 0; i < burst + 50; i += 1) expect(send(one, 'x')).toBeUndefined();
      const over = await count('samples_total{result="over"}');
      expect(Math.abs(over - 50)).toBeLessThanOrEqual(1);
      for (let i = over; i < 1_000; i += 1) expect(send(one, 'x')).toBeUndefined();
      expect(send(one, 'x')).toMatchObject({ reason: 'overloaded' });
      // Another session is not concerned.
      expect(send(join(2, { mode }), 'x')).toBeUndefined();
      handler.stop();
    },
  );

  it('says that a session has ended, unless its endpoint has a newer one here', async () => {
    const { join, leave, flush, telemetry, handler } = await setUp();
    const [gone, older] = [join(1, { epoch: 5 }), join(2, { epoch: 8 })];
    join(2, { epoch: 9 });
    leave(gone);
    handler.closed(older.session);
    leave(join(3, { capabilities: ['query'] }));
    await flush();
    expect(telemetry.ended).toEqual([['acme', 'a1', 1, 5]]);
    handler.stop();
  });

  it('sends keyframes again to a service that lacks them, with the last delta, and asks the agent for one that is not here', async () => {
    const { join, send, flush, telemetry, count, handler } = await setUp();
    const [one, other, mute] = [join(1), join(2), join(3)];
    for (const text of ['k1', 'k2']) send(one, text, FRAME.keyframe);
    for (const text of ['d1', 'd2']) send(one, text);
    send(other, 'k', FRAME.keyframe);
    expect(await count('keyframes')).toBe(2);
    expect(await count('keyframe_bytes')).toBe(5);
    await flush();
    telemetry.batches.length = 0;
    telemetry.want({ partitions: [metricsPartition('a1')] });
    await flush();
    expect(telemetry.textsOf('a1' as AgentId)).toEqual(['k2', 'd2']);
    expect(telemetry.textsOf('a2' as AgentId)).toEqual([]);
    telemetry.want({ agents: ['a2', 'a3', 'a4'] as AgentId[] });
    await flush();
    expect(telemetry.textsOf('a2' as AgentId)).toEqual(['k']);
    expect(told(other)).toHaveLength(1);
    expect(told(mute)).toEqual([{ everyMs: 60_000 }, { everyMs: 60_000, keyframe: true }]);
    handler.stop();
  });

  it('keeps the newest frames while the broker is away, within bounds, and sends them when it is back', async () => {
    const { join, send, flush, telemetry, broker, clock, count, handler } = await setUp();
    const one = join(1);
    await flush();
    broker.interrupt();
    for (let i = 0; i < 60; i += 1) send(one, `${i} ${'x'.repeat(4_000)}`);
    await flush();
    expect(telemetry.batches).toEqual([]);
    broker.restore();
    clock.advance(1_000);
    await flush();
    const numbers = telemetry.textsOf('a1' as AgentId).map((text) => Number(text.split(' ')[0]));
    expect(numbers.at(-1)).toBe(59);
    expect(numbers.length).toBeGreaterThan(20);
    expect(numbers.length).toBeLessThanOrEqual(33);
    expect(numbers).toEqual(Array.from(numbers, (_, i) => 60 - numbers.length + i));
    expect(await count('dropped_total{reason="old"}')).toBe(60 - numbers.length);
    handler.stop();
  });

  it('a gateway that was fenced forgets what came to it', async () => {
    const { join, leave, send, flush, telemetry, count, handler } = await setUp();
    const one = join(1);
    await flush();
    send(one, 'k', FRAME.keyframe);
    handler.fenced();
    leave(one);
    await flush();
    expect([telemetry.batches, telemetry.ended]).toEqual([[], []]);
    expect(await count('keyframes')).toBe(0);
    handler.stop();
  });
});
