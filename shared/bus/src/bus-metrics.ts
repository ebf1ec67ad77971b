import type { Metrics } from '@muster/runtime';
import type { Bus, BusStats } from './bus.js';

/** The connection of a service to the bus, its messages and bytes, and messages that were lost. */
export function createBusMetrics(metrics: Metrics, bus: Bus): void {
  const count = (what: string, help: string, read: (stats: BusStats) => number): void => {
    metrics.counter({ name: `muster_${metrics.service}_bus_${what}_total`, help, total: () => read(bus.stats()) });
  };
  metrics.gauge({
    name: `muster_${metrics.service}_bus_connected`,
    help: 'Whether the connection to the broker is up (1) or not (0).',
    collect: (gauge) => gauge.set(bus.connected ? 1 : 0),
  });
  count('sent_messages', 'Messages published on the bus.', ({ messagesOut }) => messagesOut);
  count('sent_bytes', 'Bytes published on the bus.', ({ bytesOut }) => bytesOut);
  count('received_messages', 'Messages received from the bus.', ({ messagesIn }) => messagesIn);
  count('received_bytes', 'Bytes received from the bus.', ({ bytesIn }) => bytesIn);
  count('dropped_messages', 'Messages that were lost because the broker was away.', ({ dropped }) => dropped);
  count('handler_errors', 'Messages whose handler failed: a bug.', ({ handlerErrors }) => handlerErrors);
  count(
    'reconnects',
    'Times that the connection to the broker was lost and came back.',
    ({ reconnects }) => reconnects,
  );
  count('refused', 'What the broker did not allow this service: its user has not the right.', ({ refused }) => refused);
}
