import { setTimeout as delay } from 'node:timers/promises';
import type { Burst, CountingRelay, WireBytes } from '../../kit/counting-relay.js';
import { timeCommand } from '../bench-command/command-times.js';
import type { ApiAccess } from '../measure/rest.js';
import { ask, LOOK, ORDER, QUESTION } from './ask.js';
import type { Channel, RealAgent } from './real-agent.js';

/** What one agent is put through. All times as they pass for the agent's program, fast-forward or not. */
export interface AgentWorkload {
  /** Samples of metrics, one every `everyMs` whether or not the one before has come. */
  readonly looks: number;
  /** Questions and orders, one after the other. */
  readonly queries: number;
  readonly commands: number;
  /** Between two polls of those that poll. */
  readonly everyMs: number;
  /** Of doing nothing. */
  readonly idleMs: number;
}

/** What passed on the wire in one phase of the workload. */
export interface Phase extends WireBytes {
  readonly ms: number;
  /** How often it was done; of `idle`, how many heartbeats or polls there were. */
  readonly times: number;
}

export type PhaseName = 'enrol' | 'connect' | 'looks' | 'queries' | 'commands' | 'idle';

/** One line of the agent's own count. */
export interface OwnCount {
  readonly channel: string;
  readonly purpose: string;
  readonly in: number;
  readonly out: number;
}

export interface AgentFigures {
  readonly phases: Readonly<Record<PhaseName, Phase>>;
  /** From question to answer, and from order to outcome. */
  readonly queryMs: readonly number[];
  readonly commandMs: readonly number[];
  /** From when the endpoint read what it says to the arrival of the answer. */
  readonly sinceReadMs: readonly number[];
  readonly own: readonly OwnCount[];
  /** Bytes that its own count is away from what the relay had counted at some moment: 0 when they agree. */
  readonly ownOff: number;
}

export interface MeasuredAgent {
  readonly agent: RealAgent;
  readonly channel: Channel;
  readonly relay: CountingRelay;
}

/** Has one agent do everything, one after the other, and reads the relay before and after. */
export async function measureAgent(
  api: ApiAccess,
  measured: MeasuredAgent,
  workload: AgentWorkload,
): Promise<AgentFigures> {
  const { agent, channel, relay } = measured;
  const phase = async (times: number, run: () => Promise<void>): Promise<Phase> => {
    const [before, beganMs] = [relay.bytes, performance.now()];
    await run();
    await relay.quiet();
    return { ms: performance.now() - beganMs, times, ...difference(relay.bytes, before) };
  };
  // Whoever asks does not wait for the moment at which an agent polls. A live agent has no such moment.
  const pause = (): Promise<void> => delay(channel === 'live' ? 50 : Math.random() * workload.everyMs);
  const [queryMs, sinceReadMs, commandMs]: [number[], number[], number[]] = [[], [], []];
  const enrol = await phase(1, async () => {
    await agent.start();
    await agent.stop();
  });
  const since = relay.bytes;
  const connect = await phase(1, () => agent.start());
  const looks = workload.looks === 0 ? nothing() : await watch(api, measured, workload);
  await relay.quiet();
  const queries = await phase(workload.queries, async () => {
    for (let i = 0; i < workload.queries; i += 1) {
      await pause();
      const { waitedMs, arrivedAtMs, rows } = await ask(api, agent.agentId, QUESTION);
      queryMs.push(waitedMs);
      sinceReadMs.push(arrivedAtMs - Number(rows[0]?.at(-1)));
    }
  });
  const commands = await phase(workload.commands, async () => {
    for (let i = 0; i < workload.commands; i += 1) {
      await pause();
      commandMs.push(await order(api, agent.agentId));
    }
  });
  const idle = await idleStretch(measured, workload.idleMs);
  const own = await ownCount(api, agent.agentId);
  const total = own.reduce((sum, one) => ({ in: sum.in + one.in, out: sum.out + one.out }), { in: 0, out: 0 });
  const phases = { enrol, connect, looks, queries, commands, idle };
  return { phases, queryMs, commandMs, sinceReadMs, own, ownOff: relay.nearest(total, since) };
}

/** From the middle between two looks to the middle between two others, so that each of them is in it whole, and what passes between them too. */
async function watch(
  api: ApiAccess,
  { agent, relay }: MeasuredAgent,
  { looks, everyMs }: AgentWorkload,
): Promise<Phase> {
  const window = async (): Promise<Phase> => {
    await delay(everyMs / 2);
    const [before, beganMs] = [relay.bytes, performance.now()];
    await delay(looks * everyMs);
    return { ms: performance.now() - beganMs, times: looks, ...difference(relay.bytes, before) };
  };
  const look = async (number: number): Promise<void> => {
    await delay(number * everyMs);
    await ask(api, agent.agentId, LOOK);
  };
  const [phase] = await Promise.all([window(), ...Array.from({ length: looks + 1 }, (_, number) => look(number))]);
  return phase;
}

async function order(api: ApiAccess, agentId: string): Promise<number> {
  const { endedMs, ledger } = await timeCommand(api, { ...ORDER, target: { agentIds: [agentId] } });
  if (ledger['succeeded'] !== 1) throw new Error(`an order of the bench did not succeed: ${JSON.stringify(ledger)}`);
  return endedMs;
}

/**
 * From the beginning of one heartbeat or poll that is answered to that of another, at least so long after it: no part of an interval counts, nor of the round that
 * a live agent needs two heartbeats for.
 */
async function idleStretch(measured: MeasuredAgent, forMs: number): Promise<Phase> {
  let first = await nextBeat(measured);
  while (!first.isAnswered) first = await nextBeat(measured);
  for (let times = 1; ; times += 1) {
    const beat = await nextBeat(measured);
    const ms = beat.atMs - first.atMs;
    if (beat.isAnswered && ms >= forMs) return { ms, times, ...difference(beat.before, first.before) };
  }
}

/** The next heartbeat or poll. A connection that the gateway ends is neither: there it speaks first, or the agent has the last word. */
async function nextBeat({ channel, relay }: MeasuredAgent): Promise<Burst & { readonly isAnswered: boolean }> {
  for (;;) {
    const burst = await relay.nextBurst();
    await relay.quiet();
    const isAnswered = relay.bytes.in > burst.before.in;
    if (burst.isFromNear && (isAnswered || channel === 'live')) return { ...burst, isAnswered };
  }
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

function nothing(): Phase {
  return { ms: 0, times: 0, in: 0, out: 0, connections: 0 };
}

function difference(after: WireBytes, before: WireBytes): WireBytes {
  return {
    in: after.in - before.in,
    out: after.out - before.out,
    connections: after.connections - before.connections,
  };
}
