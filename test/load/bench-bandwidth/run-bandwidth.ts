import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack } from '@muster/local';
import { LIMITS } from '@muster/protocol';
import { TcpRelay } from '@muster/testkit';
import { apiOf, getJson, type ApiAccess } from '../measure/rest.js';
import { progress } from '../measure/run-bench.js';
import { type AgentFigures, type AgentWorkload, measureAgent } from './measure-agent.js';
import { type Channel, RealAgent } from './real-agent.js';
import { WireWatch } from './wire-watch.js';

export interface BenchAgent {
  readonly name: string;
  readonly channel: Channel;
  /** After how long the network ends idle connections. */
  readonly endIdleMs?: number;
  /** The factor by which its intervals between heartbeats or polls are shorter: 1 or {@link FAST_FORWARD}. */
  readonly fastForward: number;
  /** With `samples` it does nothing else: other agents measure nothing of their machine. */
  readonly workload: Omit<AgentWorkload, 'everyMs'>;
}

export interface BandwidthOptions {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly folder: string;
  readonly freshnessMs: number;
  readonly agents: readonly BenchAgent[];
}

export type BenchAgentFigures = Pick<BenchAgent, 'name' | 'channel' | 'fastForward'> & AgentFigures;

/** The bytes of all agents in both directions, from the first byte to the last. */
export interface CountsCompared {
  readonly relays: { readonly up: number; readonly down: number };
  /** `GET /v1/bandwidth`: the socket counts of the gateways' kernels. */
  readonly gateways: { readonly up: number; readonly down: number; readonly measured: string };
}

export interface BandwidthFigures {
  readonly agents: readonly BenchAgentFigures[];
  readonly counts: CountsCompared;
}

/** The shortest silence limit of a gateway. Its agents send heartbeats more often in proportion. */
const FAST_SILENCE_MS = 8_000;
/** How much faster than usual idle time passes. */
export const FAST_FORWARD = LIMITS.sessionSilenceMs / FAST_SILENCE_MS;
/** A gateway's socket counts are at most five seconds old. */
const COUNTED_WITHIN_MS = 6_000;

/** Starts the whole product with TLS and each agent behind its own relay, and runs all workloads in parallel. */
export async function runBandwidth(options: BandwidthOptions): Promise<BandwidthFigures> {
  const { agents, folder, freshnessMs, natsUrl, redisUrl } = options;
  await mkdir(folder, { recursive: true });
  const policy = join(folder, 'mode-policy.json');
  const rule = (pace: Pace, ms: number) => ({
    selector: `channel=poll,pace=${pace}`,
    mode: 'poll',
    interval: `${ms}ms`,
  });
  const rules = [rule('real', freshnessMs), rule('fast', Math.round(freshnessMs / FAST_FORWARD))];
  await writeFile(policy, JSON.stringify({ rules }));
  const metricsPolicy = join(folder, 'metrics-policy.json');
  const sampled = { selector: 'metrics=on', interval: `${freshnessMs}ms` };
  await writeFile(metricsPolicy, JSON.stringify({ rules: [sampled, { selector: 'metrics=off', interval: 'off' }] }));
  const env = {
    gateway: { MUSTER_GATEWAY_MODE_POLICY_FILE: policy, MUSTER_METRICS_POLICY_FILE: metricsPolicy },
  };
  const stack = await startStack({ folder: join(folder, 'stack'), natsUrl, redisUrl, gateways: 0, env });
  const stops: (() => Promise<void>)[] = [() => stack.stop()];
  try {
    const fast = await stack.addGateway({ MUSTER_GATEWAY_SESSION_SILENCE: String(FAST_SILENCE_MS) });
    const real = await stack.addGateway();
    const api = apiOf(stack);
    const wires: WireWatch[] = [];
    const measured = agents.map(async (one): Promise<BenchAgentFigures> => {
      const { name, channel, fastForward, endIdleMs, workload } = one;
      const pace: Pace = fastForward === 1 ? 'real' : 'fast';
      const port = Number(new URL((pace === 'fast' ? fast : real).url).port);
      const relay = await TcpRelay.start({ port, ...(endIdleMs !== undefined && { endIdleMs }) });
      const wire = new WireWatch(relay);
      wires.push(wire);
      const isSampled = workload.samples > 0;
      const labels = `channel=${channel},pace=${pace},metrics=${isSampled ? 'on' : 'off'}`;
      const own = `${name}-${pace}${isSampled ? '-samples' : ''}`;
      const agent = new RealAgent({ stack, port: relay.port, name: own, labels, channel });
      stops.push(async () => {
        await agent.stop();
        await relay.stop();
      });
      const everyMs = Math.round(freshnessMs / fastForward);
      const figures = await measureAgent(api, { agent, channel, wire }, { ...workload, everyMs });
      await agent.stop();
      progress(`${own}: done`);
      return { name, channel, fastForward, ...figures };
    });
    const figures = await Promise.all(measured);
    return { agents: figures, counts: await compareCounts(api, wires) };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

type Pace = 'real' | 'fast';

/** Asks the gateways until they have counted everything that the relays have counted, within a limit. */
async function compareCounts(api: ApiAccess, wires: readonly WireWatch[]): Promise<CountsCompared> {
  await Promise.all(wires.map((wire) => wire.quiet()));
  const bytes = wires.map((wire) => wire.bytes);
  const counted = {
    up: bytes.reduce((sum, one) => sum + one.out, 0) - wires.reduce((sum, one) => sum + one.undelivered, 0),
    down: bytes.reduce((sum, one) => sum + one.in, 0),
  };
  const untilMs = performance.now() + COUNTED_WITHIN_MS;
  for (;;) {
    const { fleet } = await getJson<{ fleet: { sockets: Sockets } }>(api, '/v1/bandwidth?ask=false');
    const { bytesUp: up, bytesDown: down, measured } = fleet.sockets;
    const isSame = up === counted.up && down === counted.down;
    if (isSame || performance.now() > untilMs) return { relays: counted, gateways: { up, down, measured } };
    await delay(500);
  }
}

interface Sockets {
  readonly measured: string;
  readonly bytesUp: number;
  readonly bytesDown: number;
}
