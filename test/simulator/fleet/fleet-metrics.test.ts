import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { decodeDelta, decodeKeyframe } from '@muster/host-metrics';
import { encodeBody, encodeFrame, FRAME } from '@muster/protocol';
import { FakeGateway } from '../testing/fake-gateway.js';
import { Fleet } from './fleet.js';

describe.each(['live', 'poll'] as const)('the metrics of a simulated fleet over %s', (mode) => {
  let gateway: FakeGateway;
  let fleet: Fleet;

  beforeEach(async () => {
    gateway = new FakeGateway();
  });
  afterEach(async () => {
    await fleet.stop();
    await gateway.stop();
  });

  const start = async (metrics: boolean): Promise<void> => {
    const gateways = [await gateway.listen()] as const;
    const channel = { mode, capable: false, pollIntervalMs: 3_000 };
    fleet = new Fleet({ gateways, org: 'acme', enrolSecret: 's', agents: 1, channel, metrics });
    await fleet.start();
  };
  const received = (type: number) => gateway.received.filter((frame) => frame.type === type);

  it('are sent as METRICS says; over Poll they wait for the next poll', async () => {
    await start(true);
    const [one] = gateway.sessions.values();
    if (one === undefined) throw new Error('no session');
    expect(one.hello.capabilities).toContain('metrics');
    const watch = { everyMs: 1_000, forMs: 60_000 };
    const body = encodeBody('metrics', { everyMs: 60_000, watch, keyframe: true });
    gateway.send(one.agentId, encodeFrame(FRAME.metrics, 0, body));
    // Which request brought each delta.
    const requests: number[] = [];
    await gateway.until(() => {
      while (requests.length < received(FRAME.delta).length) requests.push(fleet.stats.polls);
      return requests.length >= 4;
    });
    const [first] = received(FRAME.keyframe);
    const keyframe = decodeKeyframe(first?.body ?? new Uint8Array());
    const deltas = received(FRAME.delta).map(({ body: delta }) => decodeDelta(delta, keyframe));
    expect(deltas.map(({ seq }) => seq)).toEqual(deltas.map((_, i) => keyframe.seq + i + 1));
    if (mode === 'poll') expect(new Set(requests).size).toBeLessThan(requests.length);
    gateway.send(
      one.agentId,
      encodeFrame(FRAME.metricsHistory, 5, encodeBody('metricsHistory', { secondsMs: 60_000, minutesMs: 0 })),
    );
    await gateway.until(() => received(FRAME.history).at(-1)?.final === true);
  });

  it('are not offered unless the fleet has them', async () => {
    await start(false);
    expect([...gateway.sessions.values()].flatMap(({ hello }) => hello.capabilities)).not.toContain('metrics');
  });
});
