import { closeReasonOf, type SessionMode } from '@muster/protocol';
import type { CommandStats } from '../commands/command-context.js';
import type { PollStats } from '../channels/poll-wire.js';
import type { WireEnd } from '../channels/wire.js';

/**
 *     idle ──connect──▶ connecting ──WELCOME──▶ ready ──lost, reconnect code──▶ waiting ──▶ connecting
 *                                                 ├──permanent refusal──▶ excluded
 *     any ──stop, kill──▶ stopped                 └──disappear──▶ waiting (long)
 */
export type AgentStatus = 'idle' | 'connecting' | 'ready' | 'waiting' | 'excluded' | 'stopped';

/** One session that its agent lost, in milliseconds since 1970. */
export interface SessionCut {
  readonly agentId: string;
  readonly atMs: number;
  readonly how: string;
}

const MAX_CUTS = 10_000;

/** Counters of one fleet; plain fields, because they are written once per message. */
export class FleetStats implements CommandStats, PollStats {
  readonly agents: Record<AgentStatus, number> = {
    idle: 0,
    connecting: 0,
    ready: 0,
    waiting: 0,
    excluded: 0,
    stopped: 0,
  };
  /** Ready sessions, by channel. An agent that changes its channel has one of each for a moment. */
  readonly sessions: Record<SessionMode, number> = { live: 0, poll: 0 };
  /** How sessions ended: `refused 503`, `closed 4001 sessionAge`, `lost`. */
  readonly ends = new Map<string, number>();
  /** Sessions that ended while they were the only one of their agent, which did not want it. */
  readonly cuts: SessionCut[] = [];
  enrolled = 0;
  queries = 0;
  answers = 0;
  /** Queries that a gateway cancelled. */
  cancels = 0;
  rows = 0;
  /** Bytes of frames sent, without the headers of WebSocket and HTTP. */
  bytesOut = 0;
  disappeared = 0;
  /** Completed changes of channel. */
  changes = 0;
  /** Requests of poll sessions, and how many of them were repeated because no answer came. */
  polls = 0;
  repeatedPolls = 0;
  /** Frames with metrics. */
  samples = 0;
  runs = 0;
  reports = 0;
  refusedCommands = 0;
  crashes = 0;

  moved(from: AgentStatus, to: AgentStatus): void {
    this.agents[from] -= 1;
    this.agents[to] += 1;
  }

  cut(agentId: string, end: WireEnd): void {
    if (this.cuts.length < MAX_CUTS) this.cuts.push({ agentId, atMs: Date.now(), how: endName(end) });
  }

  ended(end: WireEnd): void {
    const name = endName(end);
    this.ends.set(name, (this.ends.get(name) ?? 0) + 1);
  }
}

function endName(end: WireEnd): string {
  switch (end.kind) {
    case 'refused':
      return `refused ${end.status}`;
    case 'closed':
      return `closed ${end.code} ${closeReasonOf(end.code) ?? ''}`.trimEnd();
    case 'lost':
      return `lost: ${end.message}`;
  }
}
