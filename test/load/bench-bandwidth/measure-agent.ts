import { setTimeout as delay } from 'node:timers/promises';
import type { CountingRelay, WireBytes } from '../../kit/counting-relay.js';
import { timeCommand } from '../bench-command/command-times.js';
import type { ApiAccess } from '../measure/rest.js';
import { ask, LOOK, ORDER, QUESTION } from './ask.js';
import type { Channel, RealAgent } from './real-agent.js';

/** The same for every agent of a run. */
export interface Workload {
  /** How often somebody looks at the metrics, asks, and orders. */
  readonly looks: number;
  readonly queries: number;
  readonly commands: number;
  /** The most that an answer may be old: the interval of those that poll, and the pause between two questions is drawn from it. */
  readonly freshnessMs: number;
  /** Of doing nothing, for real. */
  readonly idleMs: number;
}

/** What passed on the wire in one phase of the workload. */
export interface Phase {
  readonly ms: number;
  /** How often it was done. */
  readonly times: number;
  readonly in: number;
  readonly out: number;
  readonly connections: number;
}

export type PhaseName = 'enrol' | 'connect' | 'look' | 'query' | 'command' | 'idle';

/** One line of the agent's own count. */
export interface OwnCount {
  readonly channel: string;
  readonly purpose: string;
  readonly in: number;
  readonly out: number;
}

export interface AgentFigures {
  readonly name: string;
  readonly channel: Channel;
  readonly phases: Readonly<Record<PhaseName, Phase>>;
  /** From asking to the answer, of looks and queries. */
  readonly ageMs: readonly number[];
  readonly own: readonly OwnCount[];
  /** Its own count was exactly the relay's at the moment at which it was asked. */
  readonly ownAgrees: boolean;
}

/** What follows the last answer: receipts, and the ends of connections. */
const QUIET_MS = 400;

/** Has one agent do everything, one after the other, and reads the relay before and after. */
export async function measureAgent(
  api: ApiAccess,
  { agent, channel, name, relay }: { agent: RealAgent; channel: Channel; name: string; relay: CountingRelay },
  workload: Workload,
): Promise<AgentFigures> {
  const { commands, freshnessMs, idleMs, looks, queries } = workload;
  const phase = async (times: number, run: () => Promise<void>): Promise<Phase> => {
    const [before, beganMs] = [relay.bytes, performance.now()];
    await run();
    await untilQuiet(relay);
    return { ms: performance.now() - beganMs, times, ...difference(relay.bytes, before) };
  };
  const ageMs: number[] = [];
  const asking = (times: number, sql: string): Promise<Phase> =>
    phase(times, async () => {
      for (let i = 0; i < times; i += 1) {
        await delay(pause(channel, freshnessMs));
        ageMs.push((await ask(api, agent.agentId, sql)).ageMs);
      }
    });
  const enrol = await phase(1, async () => {
    await agent.start();
    await agent.stop();
  });
  const since = relay.bytes;
  const connect = await phase(1, () => agent.start());
  const look = await asking(looks, LOOK);
  const query = await asking(queries, QUESTION);
  const command = await phase(commands, async () => {
    for (let i = 0; i < commands; i += 1) {
      await delay(pause(channel, freshnessMs));
      const { ledger } = await timeCommand(api, { ...ORDER, target: { agentIds: [agent.agentId] } });
      if (ledger['succeeded'] !== 1)
        throw new Error(`an order of the bench did not succeed: ${JSON.stringify(ledger)}`);
    }
  });
  const idle = await phase(1, () => delay(idleMs));
  const own = await ownCount(api, agent.agentId);
  const total = own.reduce((sum, one) => ({ in: sum.in + one.in, out: sum.out + one.out }), { in: 0, out: 0 });
  const ownAgrees = relay.everHad(total, since);
  return { name, channel, phases: { enrol, connect, look, query, command, idle }, ageMs, own, ownAgrees };
}

/** Whoever asks does not wait for the moment at which an agent polls. A live agent has no such moment. */
function pause(channel: Channel, freshnessMs: number): number {
  return channel === 'live' ? 50 : Math.random() * freshnessMs;
}

async function ownCount(api: ApiAccess, agentId: string): Promise<OwnCount[]> {
  const { rows } = await ask(api, agentId, 'SELECT channel, purpose, bytes_in, bytes_out FROM agent_traffic');
  return rows.map(([channel, purpose, bytesIn, bytesOut]) => ({
    channel: String(channel),
    purpose: String(purpose),
    in: Number(bytesIn),
    out: Number(bytesOut),
  }));
}

async function untilQuiet(relay: CountingRelay): Promise<void> {
  for (let before = relay.bytes; ; before = relay.bytes) {
    await delay(QUIET_MS);
    if (relay.bytes.in === before.in && relay.bytes.out === before.out) return;
  }
}

function difference(after: WireBytes, before: WireBytes): WireBytes {
  return {
    in: after.in - before.in,
    out: after.out - before.out,
    connections: after.connections - before.connections,
  };
}
