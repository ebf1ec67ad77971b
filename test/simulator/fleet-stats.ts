import { closeReasonOf } from '@muster/protocol';
import type { AgentStatus } from './agent.js';
import type { CommandStats } from './commands/command-context.js';
import type { SocketEnd } from './wire/raw-web-socket.js';

/** Counters of one fleet; plain fields, because they are written once per message. */
export class FleetStats implements CommandStats {
  readonly agents: Record<AgentStatus, number> = { idle: 0, connecting: 0, ready: 0, waiting: 0, away: 0, stopped: 0 };
  /** How connections ended: `refused 503`, `closed 4001 sessionAge`, `lost`. */
  readonly ends = new Map<string, number>();
  enrolled = 0;
  queries = 0;
  answers = 0;
  /** Queries that a gateway took back. */
  cancels = 0;
  rows = 0;
  /** Bytes of frames sent, without WebSocket headers. */
  bytesOut = 0;
  disappeared = 0;
  runs = 0;
  reports = 0;
  refusedOrders = 0;
  crashes = 0;

  moved(from: AgentStatus, to: AgentStatus): void {
    this.agents[from] -= 1;
    this.agents[to] += 1;
  }

  ended(end: SocketEnd): void {
    const name = endName(end);
    this.ends.set(name, (this.ends.get(name) ?? 0) + 1);
  }
}

function endName(end: SocketEnd): string {
  switch (end.kind) {
    case 'refused':
      return `refused ${end.status}`;
    case 'closed':
      return `closed ${end.code} ${closeReasonOf(end.code) ?? ''}`.trimEnd();
    case 'lost':
      return `lost: ${end.message}`;
  }
}
