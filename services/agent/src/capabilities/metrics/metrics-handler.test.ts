import { describe, expect, test } from '@jest/globals';
import { absentValues, makeShape } from '@muster/host-metrics';
import { FRAME, type MetricsBody } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import type { SendResult, Session } from '../../contract/session.js';
import type { HostReader } from '../../metrics/contract/host-reader.js';
import { MetricsHandler } from './metrics-handler.js';

const SHAPE = makeShape({ core: ['0'] });

class Endpoint {
  readonly clock = new FakeClock();
  readonly sent: { readonly atMs: number; readonly type: number }[] = [];
  result: SendResult = 'sent';
  readings = 0;
  readonly #reader: HostReader = {
    read: () => {
      this.readings += 1;
      return { shape: SHAPE, values: absentValues(SHAPE).fill(this.readings, 0, 1).fill(1, 1) };
    },
    close: () => {},
  };
  readonly handler = new MetricsHandler({ reader: this.#reader, clock: this.clock, random: () => 0.5 });

  connect(): void {
    const session: Session = {
      mode: 'live',
      serverTimeMs: 0,
      send: (type) => {
        if (this.result === 'sent') this.sent.push({ atMs: this.clock.monotonic(), type });
        return this.result;
      },
    };
    this.handler.ready(session);
  }

  metrics(body: MetricsBody): void {
    this.handler.frames.metrics?.(body, 0);
  }
}

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
    expect(endpoint.sent.map(({ type }) => type)).toEqual([FRAME.keyframe, FRAME.delta]);
    endpoint.metrics({ everyMs: 60_000, watch: { everyMs: 1_000, forMs: 10_000 } });
    endpoint.clock.advance(30_000);
    expect(endpoint.sent).toHaveLength(12);
    endpoint.handler.ended();
    endpoint.clock.advance(300_000);
    expect(endpoint.sent).toHaveLength(12);
    endpoint.connect();
    endpoint.metrics({ everyMs: 10_000 });
    endpoint.clock.advance(10_000);
    expect(endpoint.sent.at(-1)!.type).toBe(FRAME.keyframe);
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
    expect(endpoint.sent).toHaveLength(3);
    endpoint.handler.stop();
  });
});
