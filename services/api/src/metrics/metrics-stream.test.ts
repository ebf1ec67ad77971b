import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pastSamples } from '@muster/api-client';
import { metricsEventSchema, type ScaledHostSeriesJson } from '@muster/api-contract';
import {
  absentValues,
  encodeDelta,
  encodeHistory,
  encodeKeyframe,
  hostMetric,
  makeShape,
  type Sample,
  type Shape,
} from '@muster/host-metrics';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type WatchRenewal } from '@muster/messages';
import { encodeBody, FRAME, type AgentId } from '@muster/protocol';
import { eventually as poll } from '@muster/runtime/testing';
import { ApiFixture, ORG } from '../testing/api-fixture.js';
import { parseSse, RawViewer, type SeenEvent } from '../testing/raw-viewer.js';

let api: ApiFixture;
let gateway: FakeGateway;
beforeEach(async () => {
  api = await ApiFixture.start({ streamIntervals: { heartbeatMs: 50, stallMs: 2_000 } });
  gateway = new FakeGateway(api);
});
afterEach(() => api.stop());

const SHAPE = makeShape({ core: ['0'], interface: ['eth0'] });
const MEMORY = hostMetric('system.memory.limit');
const START_MS = Date.UTC(2026, 0, 1);

/** Until the expectations hold. */
const eventually = (expectations: () => void): Promise<unknown> =>
  poll(() => {
    expectations();
    return true;
  });

/** The sample of one second, whose memory tells which one it is. */
function second(n: number, shape = SHAPE): Sample {
  const values = absentValues(shape);
  values[MEMORY] = n;
  return { seq: n, atMs: START_MS + n * 1_000, shape, values };
}

/** What a gateway does for one endpoint that it holds. */
class FakeGateway {
  readonly #connection;
  readonly renewals: WatchRenewal[] = [];

  constructor(fixture: ApiFixture) {
    this.#connection = fixture.broker.connect();
    this.#connection.bus.subscribe(SUBJECTS.allGatewayMetrics, ({ data }) => {
      const renewal = decodeBusMessage<WatchRenewal>(data, 'watch');
      if (renewal !== undefined) this.renewals.push(renewal);
    });
  }

  get last(): WatchRenewal | undefined {
    return this.renewals.at(-1);
  }

  frames(agentId: AgentId, frames: [type: number, body: Uint8Array][], epoch = 1): void {
    const stamped = frames.map(([type, body]) => [type, START_MS, body] as const);
    const message = { t: 'watch_frames', org: ORG, agentId, epoch, frames: stamped } as const;
    this.#connection.bus.publish(SUBJECTS.watch(agentId), encodeBusMessage(message));
  }

  history(agentId: AgentId, api: string, body: Uint8Array, final = true, isSecondsOnly = false): void {
    const part = isSecondsOnly ? ({ secondsOnly: true } as const) : {};
    const message = { t: 'watch_history', api, agentId, final, body, ...part } as const;
    this.#connection.bus.publish(SUBJECTS.watch(agentId), encodeBusMessage(message));
  }

  ended(agentId: AgentId, epoch = 1): void {
    this.#connection.bus.publish(SUBJECTS.watch(agentId), encodeBusMessage({ t: 'watch_ended', agentId, epoch }));
  }

  /** Answers a viewer as an endpoint with seconds 1 to 3 behind it does, and sends the fourth. */
  async answer(agentId: AgentId): Promise<void> {
    await poll(() => this.renewals.some(({ begin }) => begin?.includes(agentId) === true));
    const seconds = encodeHistory({ kind: 'seconds', samples: [1, 2, 3].map((n) => second(n)) });
    const means = encodeHistory({ kind: 'mean', samples: [second(2)] });
    this.frames(agentId, [[FRAME.keyframe, encodeKeyframe(second(3))]]);
    this.history(agentId, this.last?.api ?? '', means, false);
    this.history(agentId, this.last?.api ?? '', seconds);
  }
}

const pathOf = (agentId: string, query = ''): string => `/v1/agents/${agentId}/metrics/stream${query}`;
const events = (viewer: RawViewer): SeenEvent[] => {
  const whole = viewer.body.slice(0, viewer.body.lastIndexOf('\n\n') + 2);
  const seen = parseSse(whole);
  for (const { data } of seen) expect(metricsEventSchema.safeParse(data).error?.message).toBe(undefined);
  return seen;
};
/** Which seconds a viewer has seen, in order. */
const seconds = (viewer: RawViewer): number[] =>
  events(viewer)
    .filter(({ event }) => event === 'sample')
    .map(({ data }) => data.values[MEMORY] / 1_024);

const isMinute = (event: unknown): boolean => (event as { readonly event?: unknown }).event === 'minute';

describe('a viewer of an endpoint', () => {
  test('sees its past, then what comes, each sample once, in order, with the names of the series first', async () => {
    const { agentId } = await api.agent();
    const viewer = new RawViewer(api, pathOf(agentId, '?minutes=24h'));
    await gateway.answer(agentId);
    await eventually(() => expect(seconds(viewer)).toEqual([1, 2, 3]));
    gateway.frames(agentId, [
      [FRAME.delta, encodeDelta(second(4), second(3))],
      [FRAME.delta, encodeDelta(second(5), second(3))],
      // Another process begins to watch.
      [FRAME.keyframe, encodeKeyframe(second(3))],
      [FRAME.delta, encodeDelta(second(5), second(3))],
      [
        FRAME.processes,
        encodeBody('processes', { atMs: START_MS, byCpu: [[7, 'sh', 0.5, 4_096, 'root']], byMemory: [] }),
      ],
    ]);
    await eventually(() => expect(events(viewer).at(-1)?.event).toBe('processes'));
    expect(seconds(viewer)).toEqual([1, 2, 3, 4, 5]);
    const seen = events(viewer);
    expect(seen.map(({ event }) => event)).toEqual([
      ...['series', 'minute', 'sample', 'sample', 'sample'],
      ...['state', 'sample', 'sample', 'processes'],
    ]);
    expect(seen[0]?.data.series[MEMORY]).toEqual({
      ...{ name: 'system.memory.limit', attributes: {}, unit: 'By', kind: 'gauge', scale: 1_024 },
    });
    expect(seen[0]?.data.series.at(-1)).toMatchObject({ group: 'interface', instance: 'eth0' });
    expect(seen[2]?.data).toMatchObject({ from: 'history', at: '2026-01-01T00:00:01.000Z' });
    expect(seen[6]?.id).toBe(String(START_MS + 4_000));
    expect(seen[8]?.data.byCpu).toEqual([{ pid: 7, name: 'sh', cpu: 0.5, residentBytes: 4_096, user: 'root' }]);
    viewer.socket.destroy();
  });

  test('gets the same past in columns as in samples, over gaps, absent values and other disks', async () => {
    const { agentId } = await api.agent();
    const [wide, usual] = [makeShape({ core: ['0'], interface: ['eth0'], disk: ['a', 'b'] }), SHAPE];
    const CPU = hostMetric('system.cpu.utilization');
    const busy = (n: number, shape: Shape, change: (values: Float64Array) => void): Sample => {
      const sample = second(n, shape);
      sample.values.fill(7, shape.length - 3);
      change(sample.values);
      return sample;
    };
    const pieces = [
      [
        busy(1, usual, (values) => (values[CPU] = 333)),
        busy(2, usual, (values) => (values[CPU] = 1)),
        busy(3, usual, () => undefined),
        busy(4, usual, (values) => (values[CPU] = 2)),
      ],
      // The same names in another piece, then a gap, then other names.
      [busy(5, makeShape(usual.names), (values) => (values[CPU + 1] = -123_456_789_012))],
      [busy(60, usual, () => undefined), busy(61, usual, (values) => (values[CPU] = 0))],
      [
        busy(62, wide, (values) => (values[CPU] = 999)),
        busy(63, wide, (values) => (values[wide.length - 1] = 2 ** 50)),
      ],
    ];
    const seen: unknown[][] = [];
    for (const layout of ['samples', 'columns']) {
      const viewer = new RawViewer(api, pathOf(agentId, `?minutes=24h&layout=${layout}`));
      await poll(() => gateway.renewals.some(({ begin }) => begin?.includes(agentId) === true));
      const name = gateway.last?.api ?? '';
      for (const samples of pieces) gateway.history(agentId, name, encodeHistory({ kind: 'seconds', samples }), false);
      for (const kind of ['mean', 'lowest', 'highest'] as const)
        gateway.history(agentId, name, encodeHistory({ kind, samples: pieces[0] ?? [] }), kind === 'highest');
      await eventually(() => expect(viewer.body).toContain(`"seq":${START_MS + 63_000}`));
      let series: ScaledHostSeriesJson[] = [];
      seen.push(
        events(viewer).flatMap(({ event, data }) => {
          if (event === 'series') series = data.series;
          return event === 'past' ? [...pastSamples(data, series)] : event === 'state' ? [] : [data];
        }),
      );
      if (layout === 'columns') expect(events(viewer).filter(({ event }) => event === 'past')).toHaveLength(6);
      viewer.socket.destroy();
      await eventually(() => expect(gateway.last?.agents).toEqual([]));
      gateway.renewals.length = 0;
    }
    const byKind = (all: readonly unknown[] = []): string[] => all.map((one) => JSON.stringify(one)).sort();
    expect(seen[0]).toHaveLength(12 + 9 + 1 + 2);
    expect(byKind(seen[1])).toEqual(byKind(seen[0]));
    const seconds = (all: readonly unknown[] = []): unknown[] => all.filter((one) => !isMinute(one));
    expect(seconds(seen[1])).toEqual(seconds(seen[0]));
  });

  test('is sent minutes by an endpoint only where somebody wants them', async () => {
    const { agentId } = await api.agent();
    const begun = (): WatchRenewal[] => gateway.renewals.filter(({ begin }) => begin !== undefined);
    const one = new RawViewer(api, pathOf(agentId));
    await eventually(() => expect(begun()).toMatchObject([{ begin: [agentId], secondsOnly: [agentId] }]));
    const name = gateway.last?.api ?? '';
    gateway.history(agentId, name, encodeHistory({ kind: 'seconds', samples: [second(1)] }), true, true);
    await eventually(() => expect(seconds(one)).toEqual([1]));
    const two = new RawViewer(api, pathOf(agentId, '?minutes=24h'));
    await eventually(() => expect(begun()).toHaveLength(2));
    expect(begun()[1]).toMatchObject({ begin: [agentId], secondsOnly: [] });
    gateway.history(agentId, name, encodeHistory({ kind: 'seconds', samples: [second(1), second(2)] }), false);
    expect(seconds(two)).toEqual([]);
    gateway.history(agentId, name, encodeHistory({ kind: 'mean', samples: [second(2)] }));
    await eventually(() => expect(seconds(two)).toEqual([1, 2]));
    expect(events(two).map(({ event }) => event)).toContain('minute');
    const three = new RawViewer(api, pathOf(agentId, '?minutes=24h'));
    await eventually(() => expect(seconds(three)).toEqual([1, 2]));
    expect(begun()).toHaveLength(2);
    for (const viewer of [one, two, three]) viewer.socket.destroy();
  });

  test('shares the watch with others; it ends with the last of them, and is renewed until then', async () => {
    const { agentId } = await api.agent();
    const viewers = [new RawViewer(api, pathOf(agentId)), new RawViewer(api, pathOf(agentId))];
    await gateway.answer(agentId);
    for (const viewer of viewers) await eventually(() => expect(seconds(viewer)).toEqual([1, 2, 3]));
    expect(gateway.renewals.filter(({ begin }) => begin !== undefined)).toHaveLength(1);
    const before = gateway.renewals.length;
    await eventually(() => expect(gateway.renewals.length).toBeGreaterThan(before));
    viewers[0]?.socket.destroy();
    const late = new RawViewer(api, pathOf(agentId, '?past=2s'));
    await eventually(() => expect(seconds(late)).toEqual([2, 3]));
    expect(gateway.last?.agents).toEqual([agentId]);
    viewers[1]?.socket.destroy();
    late.socket.destroy();
    await eventually(() => expect(gateway.last?.agents).toEqual([]));
  });

  test('that was cut off goes on after its last sample, and is told of a gap', async () => {
    const { agentId } = await api.agent();
    const viewer = new RawViewer(api, pathOf(agentId));
    await gateway.answer(agentId);
    await eventually(() => expect(seconds(viewer)).toEqual([1, 2, 3]));
    const again = fetch(api.url + pathOf(agentId), {
      headers: { authorization: `Bearer ${api.adminToken}`, 'last-event-id': String(START_MS + 2_000) },
    });
    const reader = (await again).body?.getReader();
    let text = '';
    const read = async (until: string): Promise<void> => {
      while (!text.includes(until)) text += new TextDecoder().decode((await reader?.read())?.value);
    };
    await read(`id: ${START_MS + 3_000}`);
    expect(text).not.toContain(`id: ${START_MS + 2_000}`);
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(second(60))]]);
    await read(`id: ${START_MS + 60_000}`);
    expect(text).toContain(
      '"event":"gap","seq":null,"from":"2026-01-01T00:00:03.000Z","to":"2026-01-01T00:01:00.000Z"',
    );
    await reader?.cancel();
    viewer.socket.destroy();
  });

  test('is told of a clock that was set back by a gap, live and when it comes again, and sees the past by the clock as it is', async () => {
    const { agentId } = await api.agent();
    const viewer = new RawViewer(api, pathOf(agentId));
    await eventually(() => expect(gateway.last?.begin).toEqual([agentId]));
    const key = gateway.last?.api ?? '';
    gateway.history(agentId, key, encodeHistory({ kind: 'seconds', samples: [3_601, 3_602].map((n) => second(n)) }));
    await eventually(() => expect(seconds(viewer)).toEqual([3_601, 3_602]));
    // An hour back, between its fifth and its sixth sample.
    const live = (seq: number, n: number) => ({ ...second(n), seq });
    const asked = (): number => gateway.renewals.filter(({ begin }) => begin?.includes(agentId) === true).length;
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(live(5, 3_603))]]);
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(live(6, 4))]]);
    await eventually(() => expect(seconds(viewer)).toEqual([3_601, 3_602, 3_603, 4]));
    const gap = (from: number, to: number) => ({
      ...{ event: 'gap', seq: null },
      from: second(from).atMs,
      to: second(to).atMs,
    });
    const gaps = (one: RawViewer): unknown[] =>
      events(one)
        .filter(({ event }) => event === 'gap')
        .map(({ data }) => ({ ...data, from: Date.parse(data.from), to: Date.parse(data.to) }));
    expect(gaps(viewer)).toEqual([gap(3_603, 4)]);
    // It says its past again, by the clock that it has now.
    await eventually(() => expect(asked()).toBe(2));
    gateway.history(agentId, key, encodeHistory({ kind: 'seconds', samples: [1, 2, 3, 4].map((n) => second(n)) }));
    await eventually(() => expect(seconds(viewer)).toHaveLength(4));
    for (const query of ['', '?layout=columns']) {
      const answer = await fetch(api.url + pathOf(agentId, query), {
        headers: { authorization: `Bearer ${api.adminToken}`, 'last-event-id': String(second(3_603).atMs) },
      });
      const reader = answer.body?.getReader();
      let text = '';
      while (!text.includes(`id: ${second(4).atMs}\n`)) text += new TextDecoder().decode((await reader?.read())?.value);
      expect(text).toContain(
        `"from":"${new Date(second(3_603).atMs).toISOString()}","to":"${new Date(second(1).atMs).toISOString()}"`,
      );
      if (query === '') for (const n of [1, 2, 3]) expect(text).toContain(`id: ${second(n).atMs}\n`);
      await reader?.cancel();
    }
    viewer.socket.destroy();
  });

  test('is told that nobody holds the endpoint, and goes on when it is back, also with another session', async () => {
    const { agentId } = await api.agent();
    const viewer = new RawViewer(api, pathOf(agentId));
    await eventually(() => expect(events(viewer).at(-1)?.data).toMatchObject({ event: 'state', state: 'away' }));
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(second(1))]], 5);
    await eventually(() => expect(seconds(viewer)).toEqual([1]));
    // What an older session still sends is nobody's.
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(second(9))]], 4);
    gateway.ended(agentId, 4);
    gateway.frames(agentId, [[FRAME.delta, encodeDelta(second(2), second(1))]], 5);
    await eventually(() => expect(seconds(viewer)).toEqual([1, 2]));
    gateway.ended(agentId, 5);
    await eventually(() => expect(events(viewer).at(-1)?.data).toMatchObject({ event: 'state', state: 'away' }));
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(second(3, makeShape({ disk: ['sda'] })))]], 6);
    await eventually(() => expect(seconds(viewer)).toEqual([1, 2, 3]));
    expect(events(viewer).filter(({ event }) => event === 'series')).toHaveLength(2);
    viewer.socket.destroy();
  });

  test('does not see what cannot be read; a delta without its keyframe asks for one', async () => {
    const { agentId } = await api.agent();
    const viewer = new RawViewer(api, pathOf(agentId));
    await gateway.answer(agentId);
    await eventually(() => expect(seconds(viewer)).toEqual([1, 2, 3]));
    gateway.frames(agentId, [
      [FRAME.keyframe, Uint8Array.of(1, 2, 255)],
      [FRAME.processes, Uint8Array.of(0xff)],
      [FRAME.rows, Uint8Array.of(1)],
    ]);
    gateway.history(agentId, gateway.last?.api ?? '', Uint8Array.of(9));
    gateway.history(agentId, 'another-api', encodeHistory({ kind: 'seconds', samples: [second(8)] }));
    const begun = gateway.renewals.filter(({ begin }) => begin !== undefined).length;
    // The watch has just begun, and a gateway is not asked twice in two seconds.
    await eventually(() => {
      gateway.frames(agentId, [[FRAME.delta, encodeDelta(second(7), second(6))]]);
      expect(gateway.renewals.filter(({ begin }) => begin !== undefined).length).toBeGreaterThan(begun);
    });
    gateway.frames(agentId, [[FRAME.keyframe, encodeKeyframe(second(10))]]);
    await eventually(() => expect(seconds(viewer)).toEqual([1, 2, 3, 10]));
    const metrics = await api.metrics.registry.metrics();
    for (const reason of ['bad_sample', 'bad_processes', 'unknown_frame', 'bad_history', 'no_keyframe']) {
      expect(metrics).toMatch(new RegExp(`muster_api_watch_frames_dropped_total{reason="${reason}"} [1-9]`));
    }
    viewer.socket.destroy();
  });

  test('must be allowed to see the endpoint', async () => {
    const { agentId } = await api.agent({ labels: { env: 'prod' } });
    const { status } = await api.get(pathOf(agentId.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a'))));
    expect(status).toBe(404);
    expect((await api.get(pathOf(agentId, '?past=11m'))).status).toBe(400);
    expect(gateway.renewals).toEqual([]);
  });
});
