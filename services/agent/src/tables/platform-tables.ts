import { type Platform, type TableProvider, TABLES, type TableSpec } from '@muster/tables';
import type { TrafficRow } from '../traffic/traffic-meter.js';
import type { RecordedEvents } from '../events/contract/recorded-events.js';
import { agentState } from './agent-state.js';
import { aboutAgent } from './about-agent.js';
import { kernelEvents } from './linux/kernel-events.js';
import { LINUX_COLLECTORS } from './linux/collectors.js';
import { type Collector, System, type SystemOptions } from './contract/system.js';

/** The tables of one machine and the source of their rows. */
export interface PlatformTables {
  readonly specs: readonly TableSpec[];
  readonly provider: TableProvider;
}

/** What tables tell of the running agent. */
export interface RunningAgent {
  readonly agentId?: string;
  readonly dataDir?: string;
}

export interface PlatformTablesOptions extends SystemOptions {
  /** Root folder of a copied file tree to read instead of the machine. */
  readonly root?: string;
  /** Of this program. */
  readonly version?: string;
  /** The running agent; asked at each statement. */
  readonly about?: () => RunningAgent;
  /** Traffic counters of the running agent. */
  readonly traffic?: () => readonly TrafficRow[];
  /** What the running agent has recorded of the kernel's events. */
  readonly events?: () => RecordedEvents | undefined;
}

/** The tables of `platform`. Collectors are synchronous and may take long, so run them in a worker process. */
export function platformTables(platform: Platform, options: PlatformTablesOptions = {}): PlatformTables {
  const about = options.about ?? ((): RunningAgent => ({}));
  const own = [
    agentTraffic(options.traffic ?? (() => [])),
    ...aboutAgent({
      ...{ platform, version: options.version ?? '', agentPid: options.agentPid ?? process.pid },
      agentId: () => about().agentId,
    }),
    ...agentState(() => about().dataDir),
    ...(platform === 'linux' ? kernelEvents(options.events ?? (() => undefined)) : []),
  ];
  const collectors = new Map([...collectorsOf(platform), ...own].map((one) => [one.table, one]));
  return {
    specs: TABLES.filter((table) => collectors.has(table.name)),
    provider: {
      has: (table) => collectors.has(table),
      collect: (table, request) =>
        collectors
          .get(table)
          ?.collect(
            new System(options.root, { ...options, warn: (code, what) => request.warn(code, what) }),
            request,
          ) ?? [],
    },
  };
}

function collectorsOf(platform: Platform): readonly Collector[] {
  return platform === 'linux' ? LINUX_COLLECTORS : [];
}

/** The agent's own traffic counters, as of the start of the statement. No rows where no agent runs. */
function agentTraffic(traffic: () => readonly TrafficRow[]): Collector {
  return {
    table: 'agent_traffic',
    *collect() {
      for (const { channel, purpose, bytesIn, bytesOut, seconds, connections, sinceMs } of traffic()) {
        yield { channel, purpose, bytes_in: bytesIn, bytes_out: bytesOut, seconds, connections, since: sinceMs };
      }
    },
  };
}
