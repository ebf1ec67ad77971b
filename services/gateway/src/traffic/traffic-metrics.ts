import { TRAFFIC_PURPOSES } from '@muster/protocol';
import type { LabelledTotal, Metrics } from '@muster/runtime';
import type { GatewayTraffic } from './gateway-traffic.js';

const CHANNELS = ['live', 'poll'] as const;

/** Metrics of traffic; the counters live elsewhere and are read at each scrape. */
export function createTrafficMetrics(metrics: Metrics, traffic: GatewayTraffic): void {
  metrics.counter({
    name: 'muster_gateway_frame_bytes_total',
    help: 'Bytes of frames with their heads (WebSocket, or batches of Poll before compression), and bodies of enrolments.',
    labels: ['channel', 'direction', 'purpose'],
    totals: () => frameBytes(traffic),
  });
  metrics.counter({
    name: 'muster_gateway_session_seconds_total',
    help: 'Seconds of all sessions, added up. Bytes divided by this are what one endpoint costs.',
    labels: ['channel'],
    totals: () => CHANNELS.map((channel) => ({ labels: { channel }, value: traffic.frames[channel].report().seconds })),
  });
  metrics.counter({
    name: 'muster_gateway_socket_bytes_total',
    help: 'Payload of TCP on the port of agents, TLS and HTTP with it; absent where sockets cannot be counted.',
    labels: ['direction'],
    totals: () => socketBytes(traffic),
  });
  metrics.counter({
    name: 'muster_gateway_socket_ends_missed_total',
    help: 'Sockets whose end the kernel did not report, so that their last bytes are not counted.',
    total: () => traffic.sockets.missed,
  });
}

function* frameBytes({ frames }: GatewayTraffic): Generator<LabelledTotal<'channel' | 'direction' | 'purpose'>> {
  for (const channel of CHANNELS) {
    const { purposes } = frames[channel].report();
    for (const purpose of TRAFFIC_PURPOSES) {
      yield { labels: { channel, direction: 'in', purpose }, value: purposes[purpose]?.bytesIn ?? 0 };
      yield { labels: { channel, direction: 'out', purpose }, value: purposes[purpose]?.bytesOut ?? 0 };
    }
  }
  const { enrol } = frames;
  yield { labels: { channel: 'enrol', direction: 'in', purpose: 'session' }, value: enrol.bytesIn };
  yield { labels: { channel: 'enrol', direction: 'out', purpose: 'session' }, value: enrol.bytesOut };
}

function* socketBytes({ sockets }: GatewayTraffic): Generator<LabelledTotal<'direction'>> {
  if (sockets.measured !== 'sockets') return;
  yield { labels: { direction: 'in' }, value: sockets.bytesIn };
  yield { labels: { direction: 'out' }, value: sockets.bytesOut };
}
