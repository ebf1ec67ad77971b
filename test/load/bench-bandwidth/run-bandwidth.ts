import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import { startStack, type Stack } from '@muster/local';
import { CountingRelay } from '../../kit/counting-relay.js';
import type { ApiAccess } from '../measure/rest.js';
import { type AgentFigures, measureAgent, type Workload } from './measure-agent.js';
import { type Channel, RealAgent } from './real-agent.js';

export interface BandwidthOptions {
  readonly natsUrl: string;
  readonly redisUrl: string;
  readonly folder: string;
  readonly workload: Workload;
  /** Settings of the gateway besides those of the bench. */
  readonly gateway?: Readonly<Record<string, string>>;
  readonly agents?: readonly BenchAgent[];
  readonly say: (text: string) => void;
}

/** One agent of a run, and what its network does. */
export interface BenchAgent {
  readonly name: string;
  readonly channel: Channel;
  /** The network ends connections on which nothing passes, after so long. */
  readonly cutIdleMs?: number;
}

export const BENCH_AGENTS: readonly BenchAgent[] = [
  { name: 'live', channel: 'live' },
  { name: 'poll', channel: 'poll' },
  { name: 'poll-no-keep-alive', channel: 'poll', cutIdleMs: 250 },
];

/** Starts the whole product with TLS, a real agent for each line, each behind a relay of its own, and has all of them do the workload side by side. */
export async function runBandwidth(options: BandwidthOptions): Promise<AgentFigures[]> {
  const { agents = BENCH_AGENTS, folder, gateway, natsUrl, redisUrl, say, workload } = options;
  await mkdir(folder, { recursive: true });
  const policy = join(folder, 'mode-policy.json');
  const interval = `${Math.round(workload.freshnessMs / 1_000)}s`;
  writeFileSync(policy, JSON.stringify({ rules: [{ selector: 'channel=poll', mode: 'poll', interval }] }));
  const env = { gateway: { MUSTER_GATEWAY_MODE_POLICY_FILE: policy, ...gateway } };
  const stack = await startStack({
    folder: join(folder, 'stack'),
    natsUrl,
    redisUrl,
    tls: true,
    logLevel: 'info',
    env,
  });
  try {
    return await Promise.all(agents.map((agent) => measureOne(stack, agent, workload, say)));
  } finally {
    await stack.stop();
  }
}

async function measureOne(
  stack: Stack,
  { name, channel, cutIdleMs }: BenchAgent,
  workload: Workload,
  say: (text: string) => void,
): Promise<AgentFigures> {
  const port = Number(new URL(stack.gateways[0]?.url ?? '').port);
  const relay = await CountingRelay.start({ port, ...(cutIdleMs !== undefined && { cutIdleMs }) });
  const agent = new RealAgent({ stack, relay, name, channel });
  try {
    const figures = await measureAgent(apiOf(stack), { agent, channel, name, relay }, workload);
    say(`${name}: done`);
    return figures;
  } finally {
    await agent.stop();
    await relay.stop();
  }
}

function apiOf(stack: Stack): ApiAccess {
  const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
  return { url: stack.apiUrl, token: stack.token, ...ca };
}
