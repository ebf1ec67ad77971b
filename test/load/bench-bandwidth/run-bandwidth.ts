import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack, type Stack } from '@muster/local';
import { LIMITS } from '@muster/protocol';
import { CountingRelay } from '../../kit/counting-relay.js';
import { call, textOf, type ApiAccess } from '../measure/rest.js';
import { type AgentFigures, type AgentWorkload, measureAgent } from './measure-agent.js';
import { type Channel, RealAgent } from './real-agent.js';

/** One agent of a run, and what its network does. */
export interface BenchAgent {
  readonly name: string;
  readonly channel: Channel;
  /** The network ends connections on which nothing passes, after so long. */
  readonly cutIdleMs?: number;
  /** How much shorter its heartbeats and polls follow each other: 1 or {@link FAST_FORWARD}. */
  readonly fastForward: number;
  readonly workload: Omit<AgentWorkload, 'everyMs'>;
}

export interface BandwidthOptions {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly folder: string;
  readonly freshnessMs: number;
  readonly agents: readonly BenchAgent[];
  readonly say: (text: string) => void;
}

export type BenchAgentFigures = Pick<BenchAgent, 'name' | 'channel' | 'fastForward'> & AgentFigures;

/** Both ways of all agents, from the first byte to the last. */
export interface CountsCompared {
  readonly relays: { readonly up: number; readonly down: number };
  /** `GET /v1/bandwidth`: what the kernels of the gateways say of their sockets. */
  readonly gateways: { readonly up: number; readonly down: number; readonly measured: string };
}

export interface BandwidthFigures {
  readonly agents: readonly BenchAgentFigures[];
  readonly counts: CountsCompared;
}

/** The shortest silence that a gateway can be told to suffer; its agents send heartbeats that much more often. */
const FAST_SILENCE_MS = 8_000;
/** How much faster than usual an idle time passes. */
export const FAST_FORWARD = LIMITS.sessionSilenceMs / FAST_SILENCE_MS;
/** Whoever asks a gateway for its sockets gets a look that is five seconds old at most. */
const COUNTED_WITHIN_MS = 6_000;

/** Starts the whole product with TLS and every agent behind a relay of its own, and has all of them do their workload side by side. */
export async function runBandwidth(options: BandwidthOptions): Promise<BandwidthFigures> {
  const { agents, folder, freshnessMs, natsUrl, redisUrl, say } = options;
  await mkdir(folder, { recursive: true });
  const policy = join(folder, 'mode-policy.json');
  const rule = (pace: Pace, ms: number) => ({
    selector: `channel=poll,pace=${pace}`,
    mode: 'poll',
    interval: `${ms}ms`,
  });
  const rules = [rule('real', freshnessMs), rule('fast', Math.round(freshnessMs / FAST_FORWARD))];
  writeFileSync(policy, JSON.stringify({ rules }));
  const env = { gateway: { MUSTER_GATEWAY_MODE_POLICY_FILE: policy } };
  const stack = await startStack({ folder: join(folder, 'stack'), natsUrl, redisUrl, gateways: 0, env });
  const stops: (() => Promise<void>)[] = [() => stack.stop()];
  try {
    const fast = await stack.addGateway({ MUSTER_GATEWAY_SESSION_SILENCE: String(FAST_SILENCE_MS) });
    const real = await stack.addGateway();
    const api = apiOf(stack);
    const relays: CountingRelay[] = [];
    const measured = agents.map(async (one): Promise<BenchAgentFigures> => {
      const { name, channel, fastForward, cutIdleMs, workload } = one;
      const pace: Pace = fastForward === 1 ? 'real' : 'fast';
      const port = Number(new URL((pace === 'fast' ? fast : real).url).port);
      const relay = await CountingRelay.start({ port, ...(cutIdleMs !== undefined && { cutIdleMs }) });
      relays.push(relay);
      const labels = `channel=${channel},pace=${pace}`;
      const agent = new RealAgent({ stack, port: relay.port, name: `${name}-${pace}`, labels, channel });
      stops.push(async () => {
        await agent.stop();
        await relay.stop();
      });
      const everyMs = Math.round(freshnessMs / fastForward);
      const figures = await measureAgent(api, { agent, channel, relay }, { ...workload, everyMs });
      await agent.stop();
      say(`${name}, ${pace}: done`);
      return { name, channel, fastForward, ...figures };
    });
    const figures = await Promise.all(measured);
    return { agents: figures, counts: await compareCounts(api, relays) };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

type Pace = 'real' | 'fast';

/** Asks the gateways until they have looked at everything that the relays have counted, but not for ever. */
async function compareCounts(api: ApiAccess, relays: readonly CountingRelay[]): Promise<CountsCompared> {
  await Promise.all(relays.map((relay) => relay.quiet()));
  const bytes = relays.map((relay) => relay.bytes);
  const counted = {
    up: bytes.reduce((sum, one) => sum + one.out, 0) - relays.reduce((sum, one) => sum + one.undelivered, 0),
    down: bytes.reduce((sum, one) => sum + one.in, 0),
  };
  const untilMs = performance.now() + COUNTED_WITHIN_MS;
  for (;;) {
    const text = await textOf(await call(api, { method: 'GET', path: '/v1/bandwidth?ask=false' }));
    const { fleet } = JSON.parse(text) as { fleet: { sockets: Sockets } };
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

function apiOf(stack: Stack): ApiAccess {
  const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
  return { url: stack.apiUrl, token: stack.token, ...ca };
}
