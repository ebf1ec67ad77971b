import { CLOSE } from '@muster/protocol';
import type { Metrics } from '@muster/runtime';

const CODES: ReadonlySet<number> = new Set([...Object.values(CLOSE).map(({ code }) => code), 1005, 1006, 1007]);

/** What sessions count. */
export function createSessionMetrics(
  metrics: Metrics,
  live: { readonly sessions: () => number; readonly connections: () => number },
) {
  metrics.gauge({
    name: 'muster_gateway_live_sessions',
    help: 'Sessions that are ready.',
    collect: (gauge) => gauge.set(live.sessions()),
  });
  metrics.gauge({
    name: 'muster_gateway_open_connections',
    help: 'Connections, with those whose agents have not proven who they are.',
    collect: (gauge) => gauge.set(live.connections()),
  });
  return {
    hellos: metrics.counter({
      name: 'muster_gateway_hellos_total',
      help: 'Hellos by result.',
      labels: ['result'],
      initial: [{ result: 'ready' }, { result: 'duplicate' }],
    }),
    closed: metrics.counter({
      name: 'muster_gateway_closed_connections_total',
      help: 'Closed connections by close code.',
      labels: ['code'],
      initial: [...CODES].map((code) => ({ code: String(code) })),
    }),
  };
}

export type SessionMetrics = ReturnType<typeof createSessionMetrics>;

/** Peers may close with any code; only known ones become label values. */
export function closeCodeLabel(code: number): string {
  return CODES.has(code) ? String(code) : 'other';
}
