import type { TrafficRow } from '../traffic/traffic-meter.js';
import type { Collector } from './contract/collector.js';

/** The agent's own traffic counters, as of the start of the statement. No rows where no agent runs. */
export function agentTraffic(traffic: () => readonly TrafficRow[]): Collector {
  return {
    table: 'agent_traffic',
    *collect() {
      for (const { channel, purpose, bytesIn, bytesOut, seconds, connections, sinceMs } of traffic()) {
        yield { channel, purpose, bytes_in: bytesIn, bytes_out: bytesOut, seconds, connections, since: sinceMs };
      }
    },
  };
}
