import { describe, expect, test } from '@jest/globals';
import {
  absentValues,
  decodeDelta,
  decodeHistory,
  decodeKeyframe,
  hostMetric,
  makeShape,
  type Sample,
} from '@muster/host-metrics';
import { decodeBody, FLAG_FINAL, FRAME, type MetricsBody } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import type { SendResult, Session } from '../../contract/session.js';
import type { HostReader, Reading } from '../../metrics/contract/host-reader.js';
import { HostHistory } from '../../metrics/history/host-history.js';
import { MetricsHandler } from './metrics-handler.js';

const SHAPE = makeShape({ core: ['0'] });

class Endpoint {
  readonly clock = new FakeClock();
  readonly sent: {
    readonly atMs: number;
    readonly type: number;
    readonly ref: number;
    readonly flags: number;
    readonly body: Uint8Array;
    readonly ageMs: number;
  }[] = [];
  readonly refreshes: { readonly atMs: number; readonly topProcesses: boolean }[] = [];
  result: SendResult = 'sent';
  readings = 0;
  /** Whether the value at 1 was read earlier than in the second. */
  isOld = false;
  readonly #reader: HostReader = {
    read: () => {
      this.readings += 1;
      const values = absentValues(SHAPE).fill(this.readings, 0, 1).fill(1, 1);
      return { shape: SHAPE, values, ...(this.isOld ? { recent: values.slice().fill(Number.NaN, 1, 2) } : {}) };
    },
    refresh: ({ topProcesses }) => {
      this.refreshes.push({ atMs: this.clock.monotonic(), topProcesses });
      const one = { pid: 7, name: 'x', share: 0.5, residentBytes: 4_096, user: 'root' };
      return Promise.resolve(topProcesses ? { byCpu: [one], byMemory: [] } : undefined);
    },
    close: () => {},
  };
  readonly handler = new MetricsHandler({
    reader: this.#reader,
    history: new HostHistory({ now: () => this.clock.now(), elapsedMs: () => this.clock.monotonic() }),
    clock: this.clock,
    random: () => 0.5,
    cpuMs: () => 0,
  });

  types(): number[] {
    return this.sent.map(({ type }) => type);
  }

  samples(): number {
    return this.types().filter((type) => type === FRAME.keyframe || type === FRAME.delta).length;
  }

  connect(mode: 'live' | 'poll' = 'live'): void {
    const session: Session = {
      mode,
      serverTimeMs: 0,
      send: (type, ref, body, { flags = 0, ageMs = 0 } = {}) => {
        if (this.result === 'sent') this.sent.push({ atMs: this.clock.monotonic(), type, ref, flags, body, ageMs });
        return this.result;
      },
    };
    this.handler.ready(session);
  }

  metrics(body: MetricsBody): void {
    this.handler.frames.metrics?.(body, 0);
  }
}

const WATCH = { everyMs: 1_000, forMs: 10_000 };

describe('host metrics of an agent', () => {
  test('measures once a second, and sends nothing before METRICS', () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.connect();
    endpoint.clock.advance(60_000);
    expect(endpoint.readings).toBe(60);
    expect(endpoint.sent).toEqual([]);
    endpoint.handler.stop();
    expect(endpoint.clock.pendingTimers).toBe(0);
  });

  test('sends at the interval, each second while watched, and a keyframe first in each session', () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.connect();
    endpoint.metrics({ everyMs: 60_000 });
    endpoint.clock.advance(120_000);
    expect(endpoint.types()).toEqual([FRAME.keyframe, FRAME.delta]);
    endpoint.metrics({ everyMs: 60_000, watch: { everyMs: 1_000, forMs: 10_000 } });
    endpoint.clock.advance(30_000);
    expect(endpoint.samples()).toBe(12);
    endpoint.handler.ended();
    endpoint.clock.advance(300_000);
    expect(endpoint.samples()).toBe(12);
    endpoint.connect();
    endpoint.metrics({ everyMs: 10_000 });
    endpoint.clock.advance(10_000);
    expect(endpoint.sent.at(-1)!.type).toBe(FRAME.keyframe);
    endpoint.handler.stop();
  });

  test('heartbeats have counters of the minute; samples of every second and the history only those of their second', () => {
    const endpoint = new Endpoint();
    endpoint.isOld = true;
    endpoint.handler.start();
    endpoint.connect();
    endpoint.metrics({ everyMs: 10_000 });
    endpoint.clock.advance(60_000);
    endpoint.metrics({ everyMs: 10_000, watch: WATCH, keyframe: true });
    endpoint.clock.advance(1_000);
    const keyframes = endpoint.sent
      .filter(({ type }) => type === FRAME.keyframe)
      .map(({ body }) => decodeKeyframe(body));
    expect(keyframes.map(({ values }) => values[1])).toEqual([1, Number.NaN]);
    endpoint.sent.length = 0;
    endpoint.handler.frames.metricsHistory?.({ secondsMs: 60_000, minutesMs: 0 }, 1);
    const past = endpoint.sent.flatMap(({ type, body }) => (type === FRAME.history ? decodeHistory(body).samples : []));
    expect(past.length).toBeGreaterThan(10);
    expect(past.every(({ values }) => Number.isNaN(values[1]))).toBe(true);
    endpoint.handler.stop();
  });

  test('does not queue samples for a session that has no room', () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.connect();
    endpoint.metrics({ everyMs: 0, watch: { everyMs: 1_000, forMs: 60_000 } });
    endpoint.result = 'full';
    endpoint.clock.advance(30_000);
    endpoint.result = 'sent';
    endpoint.clock.advance(3_000);
    expect(endpoint.samples()).toBe(3);
    endpoint.handler.stop();
  });

  test('a keyframe that is asked for comes at once, but not more than one a second, and none where nothing is to be sent', () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.connect();
    endpoint.metrics({ everyMs: 0, keyframe: true });
    expect(endpoint.types()).toEqual([]);
    endpoint.metrics({ everyMs: 3_600_000, keyframe: true });
    expect(endpoint.types()).toEqual([FRAME.keyframe]);
    for (let i = 0; i < 100; i += 1) {
      endpoint.metrics({ everyMs: 3_600_000, keyframe: true });
      endpoint.clock.advance(100);
    }
    expect(endpoint.samples()).toBeGreaterThanOrEqual(9);
    expect(endpoint.samples()).toBeLessThanOrEqual(12);
    endpoint.handler.stop();
  });

  test('over Poll samples wait for a poll: the newest ten, the first of them the keyframe that was asked for', () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.connect('poll');
    endpoint.metrics({ everyMs: 0, watch: { everyMs: 1_000, forMs: 60_000 }, keyframe: true });
    endpoint.clock.advance(30_000);
    expect(endpoint.sent).toEqual([]);
    endpoint.handler.polling();
    expect(endpoint.types().slice(0, 10)).toEqual([FRAME.keyframe, ...Array.from({ length: 9 }, () => FRAME.delta)]);
    expect(endpoint.samples()).toBe(10);
    // Each says how old it is: the gateway knows then by how much the clock of the endpoint is wrong.
    for (const { type, body, ageMs } of endpoint.sent) {
      if (type !== FRAME.keyframe) continue;
      expect(endpoint.clock.now() - decodeKeyframe(body).atMs).toBe(ageMs);
    }
    const ages = endpoint.sent.filter(({ type }) => type !== FRAME.processes).map(({ ageMs }) => ageMs);
    expect(ages.map((ageMs) => Math.ceil(ageMs / 1_000))).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    endpoint.handler.polling();
    expect(endpoint.samples()).toBe(10);
    endpoint.handler.stop();
  });

  test('the detailed set is read once a minute, and every five seconds while watched; then top processes are sent', async () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.connect();
    endpoint.metrics({ everyMs: 60_000 });
    await endpoint.clock.advanceAsync(180_000);
    expect(endpoint.refreshes).toHaveLength(3);
    expect(endpoint.types()).not.toContain(FRAME.processes);
    endpoint.metrics({ everyMs: 60_000, watch: WATCH });
    await endpoint.clock.advanceAsync(60_000);
    const watched = endpoint.refreshes.filter(({ topProcesses }) => topProcesses).map(({ atMs }) => atMs - 180_000);
    // At once, a second later, and then every five.
    expect(watched).toHaveLength(3);
    expect(watched[0]).toBe(0);
    expect(watched[2]! - watched[1]!).toBe(5_000);
    const processes = endpoint.sent.filter(({ type }) => type === FRAME.processes);
    expect(decodeBody('processes', processes[0]!.body)).toMatchObject({
      ok: true,
      body: { byCpu: [[7, 'x', 0.5, 4_096, 'root']], byMemory: [] },
    });
    endpoint.handler.stop();
  });

  test('where the detailed set is dear it is read less often', async () => {
    const clock = new FakeClock();
    let cpuMs = 0;
    let refreshes = 0;
    const refresh = (): Promise<undefined> => {
      refreshes += 1;
      cpuMs += 100;
      return Promise.resolve(undefined);
    };
    const reader = { read: () => ({ shape: SHAPE, values: absentValues(SHAPE) }), close: () => {}, refresh };
    const history = new HostHistory({ now: () => clock.now(), elapsedMs: () => clock.monotonic() });
    const handler = new MetricsHandler({ reader, history, clock, random: () => 0.5, cpuMs: () => cpuMs });
    handler.start();
    await clock.advanceAsync(1_000_000);
    // A tenth of a second is 0.05 % of 200 s.
    expect(refreshes).toBe(5);
    handler.stop();
  });

  test('history is answered in pieces with the handle of the request, one after the other, the last one marked', () => {
    const endpoint = new Endpoint();
    endpoint.handler.start();
    endpoint.clock.advance(600_000);
    endpoint.connect();
    endpoint.handler.frames.metricsHistory?.({ secondsMs: 600_000, minutesMs: 86_400_000 }, 42);
    expect(endpoint.sent).toHaveLength(1);
    endpoint.clock.advance(500);
    const pieces = endpoint.sent.map(({ body }) => decodeHistory(body));
    expect(endpoint.sent.map(({ flags }) => flags)).toEqual([...pieces.slice(1).map(() => 0), FLAG_FINAL]);
    expect(new Set(endpoint.sent.map(({ type, ref }) => `${type} ${ref}`))).toEqual(new Set([`${FRAME.history} 42`]));
    expect(pieces.filter(({ kind }) => kind === 'seconds').flatMap(({ samples }) => samples)).toHaveLength(600);
    expect(pieces.map(({ kind }) => kind).filter((kind, i, all) => kind !== all[i - 1])).toEqual([
      'seconds',
      'mean',
      'lowest',
      'highest',
    ]);
    endpoint.handler.stop();
  });

  test('history waits for room, ends with the session, and has one sample at least', () => {
    const endpoint = new Endpoint();
    endpoint.connect();
    endpoint.handler.frames.metricsHistory?.({ secondsMs: 0, minutesMs: 60_000 }, 1);
    expect(endpoint.sent.map(({ ref, flags }) => [ref, flags])).toEqual([[1, FLAG_FINAL]]);
    expect(decodeHistory(endpoint.sent[0]!.body).samples).toHaveLength(1);
    endpoint.result = 'full';
    endpoint.handler.frames.metricsHistory?.({ secondsMs: 60_000, minutesMs: 0 }, 2);
    endpoint.result = 'sent';
    endpoint.handler.writable();
    expect(endpoint.sent).toHaveLength(2);
    endpoint.result = 'full';
    endpoint.handler.frames.metricsHistory?.({ secondsMs: 60_000, minutesMs: 0 }, 3);
    endpoint.handler.ended();
    endpoint.result = 'sent';
    endpoint.handler.writable();
    expect(endpoint.sent).toHaveLength(2);
  });

  test('the share of busy time covers a second in the history, and the time since the last sample in samples', () => {
    const clock = new FakeClock();
    const sent: Sample[] = [];
    const [user, idle] = ['user', 'idle'].map((mode) => hostMetric('system.cpu.time', { 'cpu.mode': mode })) as [
      number,
      number,
    ];
    const utilization = hostMetric('system.cpu.utilization');
    let second = 0;
    const read = (): Reading => {
      const values = absentValues(SHAPE);
      // Every third second is a busy one.
      const busy = Math.floor(second / 3);
      values[user] = 100 * busy;
      values[idle] = 100 * (second - busy);
      second += 1;
      return { shape: SHAPE, values };
    };
    const reader = { read, refresh: () => Promise.resolve(undefined), close: () => {} };
    const history = new HostHistory({ now: () => clock.now(), elapsedMs: () => clock.monotonic() });
    const handler = new MetricsHandler({ reader, history, clock, random: () => 0.5, cpuMs: () => 0 });
    handler.start();
    const send = (type: number, _ref: number, body: Uint8Array): SendResult => {
      if (type === FRAME.keyframe) sent.push(decodeKeyframe(body));
      else if (type === FRAME.delta) sent.push(decodeDelta(body, sent[0]!));
      return 'sent';
    };
    handler.ready({ mode: 'live', serverTimeMs: 0, send });
    handler.frames.metrics?.({ everyMs: 10_000 }, 0);
    clock.advance(60_000);
    const shares = sent.slice(1).map(({ values }) => values[utilization]!);
    expect(shares.length).toBeGreaterThan(3);
    expect(shares.every((share) => share >= 300 && share <= 400)).toBe(true);
    const past = history
      .pieces({ secondsMs: 60_000, minutesMs: 0 })
      .flatMap((piece) => [...decodeHistory(piece).samples]);
    expect(past.slice(1).map(({ values }) => values[utilization])).toEqual(
      past.slice(1).map((_, i) => (i % 3 === 2 ? 1_000 : 0)),
    );
    handler.stop();
  });
});
