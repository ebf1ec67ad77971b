import { setTimeout as delay } from 'node:timers/promises';
import type { RelayedBytes } from '@muster/testkit';
import { timeCommand } from '../bench-command/command-times.js';
import type { ApiAccess } from '../measure/rest.js';
import { ask, COMMAND, QUERY } from './ask.js';
import type { Channel, RealAgent } from './real-agent.js';
import type { Burst, WireWatch } from './wire-watch.js';

/** The workload of one agent. All times as the agent's program sees them, fast-forward or not. */
export interface AgentWorkload {
  /** Samples of its machine that the agent sends by itself, one every `everyMs`. */
  readonly samples: number;
  /** Queries and commands, one after the other. */
  readonly queries: number;
  readonly commands: number;
  /** The interval between two polls of a polling agent. */
  readonly everyMs: number;
  readonly idleMs: number;
}

/** What passed on the wire in one phase of the workload. */
export interface Phase extends RelayedBytes {
  readonly ms: number;
  /** How often it was done; for `idle`, the number of heartbeats or polls. */
  readonly times: number;
}

export type PhaseName = 'enrol' | 'connect' | 'samples' | 'queries' | 'commands' | 'idle';

/** One row of the agent's own count. */
export interface OwnCount {
  readonly channel: string;
  readonly purpose: string;
  readonly in: number;
  readonly out: number;
}

export interface AgentFigures {
  readonly phases: Readonly<Record<PhaseName, Phase>>;
  /** From query to answer, and from command to outcome. */
  readonly queryMs: readonly number[];
  readonly commandMs: readonly number[];
  /** From the moment when the endpoint read its values to the arrival of the answer. */
  readonly sinceReadMs: readonly number[];
  readonly own: readonly OwnCount[];
  /** The least difference between its own count and any count of the relay, in bytes: 0 when they agree. */
  readonly ownOff: number;
}

export interface MeasuredAgent {
  readonly agent: RealAgent;
  readonly channel: Channel;
  readonly wire: WireWatch;
}

/** Runs the workload of one agent, phase by phase, and reads the relay before and after each. */
export async function measureAgent(
  api: ApiAccess,
  measured: MeasuredAgent,
  workload: AgentWorkload,
): Promise<AgentFigures> {
  const { agent, channel, wire } = measured;
  const phase = async (times: number, run: () => Promise<void>): Promise<Phase> => {
    const [before, beganMs] = [wire.bytes, performance.now()];
    await run();
    await wire.quiet();
    return { ms: performance.now() - beganMs, times, ...difference(wire.bytes, before) };
  };
  // Queries do not wait for the moment at which an agent polls. A live agent has no such moment.
  const pause = (): Promise<void> => delay(channel === 'live' ? 50 : Math.random() * workload.everyMs);
  const [queryMs, sinceReadMs, commandMs]: [number[], number[], number[]] = [[], [], []];
  const enrol = await phase(1, async () => {
    await agent.start();
    await agent.stop();
  });
  const since = wire.bytes;
  const connect = await phase(1, () => agent.start());
  const samples = workload.samples === 0 ? nothing() : await sampleStretch(measured, workload.samples);
  await wire.quiet();
  const queries = await phase(workload.queries, async () => {
    for (let i = 0; i < workload.queries; i += 1) {
      await pause();
      const { waitedMs, arrivedAtMs, rows } = await ask(api, agent.agentId, QUERY);
      queryMs.push(waitedMs);
      sinceReadMs.push(arrivedAtMs - Number(rows[0]?.at(-1)));
    }
  });
  const commands = await phase(workload.commands, async () => {
    for (let i = 0; i < workload.commands; i += 1) {
      await pause();
      commandMs.push(await runCommand(api, agent.agentId));
    }
  });
  const idle = workload.idleMs === 0 ? nothing() : await idleStretch(measured, workload.idleMs);
  const own = await ownCount(api, agent.agentId);
  const total = own.reduce((sum, one) => ({ in: sum.in + one.in, out: sum.out + one.out }), { in: 0, out: 0 });
  const phases = { enrol, connect, samples, queries, commands, idle };
  return { phases, queryMs, commandMs, sinceReadMs, own, ownOff: wire.nearest(total, since) };
}

/** From one sample to another, so many later. Over Poll each is in a poll. Heartbeats between them are what a session costs anyway. */
async function sampleStretch(measured: MeasuredAgent, samples: number): Promise<Phase> {
  const first = await nextSample(measured);
  let last = first;
  for (let times = 0; times < samples; times += 1) last = await nextSample(measured);
  return { ms: last.atMs - first.atMs, times: samples, ...difference(last.before, first.before) };
}

/** A gateway answers polls and heartbeats, but no sample. */
async function nextSample(measured: MeasuredAgent): Promise<Burst> {
  for (;;) {
    const beat = await nextBeat(measured);
    if (beat.isAnswered === (measured.channel === 'poll')) return beat;
  }
}

async function runCommand(api: ApiAccess, agentId: string): Promise<number> {
  const { endedMs, ledger } = await timeCommand(api, { ...COMMAND, target: { agentIds: [agentId] } });
  if (ledger['succeeded'] !== 1) throw new Error(`a command of the bench did not succeed: ${JSON.stringify(ledger)}`);
  return endedMs;
}

/**
 * Measures from the start of one answered heartbeat or poll to the start of another, at least `forMs` later. So only whole intervals count,
 * and only whole rounds of a live agent: its ping, the pong, and a heartbeat of the gateway.
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

/** The next heartbeat or poll. The end of a connection by the gateway is neither: the gateway sends first, or does not answer. */
async function nextBeat({ channel, wire }: MeasuredAgent): Promise<Burst & { readonly isAnswered: boolean }> {
  for (;;) {
    const burst = await wire.nextBurst();
    await wire.quiet();
    const isAnswered = wire.bytes.in > burst.before.in;
    if (burst.isFromAgent && (isAnswered || channel === 'live')) return { ...burst, isAnswered };
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

function difference(after: RelayedBytes, before: RelayedBytes): RelayedBytes {
  return { in: after.in - before.in, out: after.out - before.out, connections: after.connections - before.connections };
}
