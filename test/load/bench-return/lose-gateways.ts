import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack, type Stack } from '@muster/local';
import { startHaproxy } from '../../kit/haproxy.js';
import { fleetOptions } from '../../kit/harness.js';
import { sessionsOf, watchReturn } from '../../kit/return-times.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import { cpuMs } from '../measure/process-cpu.js';
import { progress, type BenchBrokers } from '../measure/run-bench.js';

export interface LossOptions {
  readonly agents: number;
  readonly rounds: number;
  /** Frozen instead of killed. */
  readonly hang: boolean;
  /** Behind HAProxy instead of a list of URLs. */
  readonly balancer: boolean;
  readonly tls: boolean;
  /** Between two rounds. A session that was held for 30 s resets the backoff of its agent. */
  readonly restMs: number;
}

/** How many endpoints a gateway had, and after how many ms these shares of them were back; `undefined`: not within 90 s. */
export interface Loss {
  readonly lost: number;
  readonly backMs: Readonly<Record<Share, number | undefined>>;
  /** Processor time for each of them until all were back, in ms: of the gateway that takes them, and of the simulated endpoint. */
  readonly cpuMs: { readonly gateway: number; readonly endpoint: number };
}

export const SHARES = { half: 0.5, most: 0.95, nearlyAll: 0.99, all: 1 } as const;
type Share = keyof typeof SHARES;

const BOUND_MS = 90_000;

/** Kills or freezes the fuller one of two gateways, several times. */
export async function loseGateways(brokers: BenchBrokers, options: LossOptions): Promise<Loss[]> {
  const { natsUrl, redisUrl, folder } = brokers;
  const stack = await startStack({
    ...{
      folder: join(folder, 'stack'),
      natsUrl,
      redisUrl,
      gateways: 2,
      tls: options.tls,
      logLevel: 'warn',
      restart: true,
    },
    env: { gateway: { MUSTER_GATEWAY_ENROLL_RATE: '10000' } },
  });
  const stops: (() => Promise<void>)[] = [() => stack.stop()];
  try {
    const gateways = await addressesOf(stack, options, stops);
    const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
    const base = { ...fleetOptions({ stack }), ...ca, agents: options.agents, seed: 1, uniform: true };
    const fleet = await FleetProcess.start({
      ...{ t: 'fleet', keysFile: join(folder, 'fleet.json') },
      options: { ...base, gateways },
    });
    stops.push(() => fleet.stop());
    const losses: Loss[] = [];
    for (let round = 0; round < options.rounds; round += 1) losses.push(await loseOne(stack, fleet, options));
    return losses;
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

/** Where the fleet connects. */
async function addressesOf(
  stack: Stack,
  { balancer, tls }: LossOptions,
  stops: (() => Promise<void>)[],
): Promise<[string, ...string[]]> {
  const { gateways } = fleetOptions({ stack });
  if (!balancer) return gateways;
  const [one, two] = stack.gateways.map(({ url }) => new URL(url).host) as [string, string];
  const proxy = await startHaproxy([one, two], tls ? 'haproxy-passthrough.cfg' : 'haproxy.cfg');
  stops.push(() => proxy.stop());
  return [`${tls ? 'wss' : 'ws'}://${proxy.address}`];
}

async function loseOne(stack: Stack, fleet: FleetProcess, { agents, hang, restMs }: LossOptions): Promise<Loss> {
  while ((await sessionsOf(stack)) < agents) await delay(200);
  await delay(restMs);
  const held = await Promise.all(stack.gateways.map((gateway) => sessionsOf({ gateways: [gateway] })));
  const lost = Math.max(...held);
  const gateway = stack.gateways[held.indexOf(lost)];
  const taking = stack.gateways.filter((one) => one !== gateway);
  const usedMs = () => ({
    gateway: taking.reduce((sum, { pid }) => sum + cpuMs(pid), 0) / lost,
    endpoint: cpuMs(fleet.pid) / lost,
  });
  const before = usedMs();
  const { at } = await watchReturn(stack, {
    ...{ agents, boundMs: BOUND_MS },
    lose: () => {
      gateway?.signal(hang ? 'SIGSTOP' : 'SIGKILL');
      return lost;
    },
  });
  const after = usedMs();
  if (hang) gateway?.signal('SIGCONT');
  const { half, most, nearlyAll, all } = SHARES;
  const loss = {
    lost,
    backMs: { half: at(half), most: at(most), nearlyAll: at(nearlyAll), all: at(all) },
    cpuMs: { gateway: after.gateway - before.gateway, endpoint: after.endpoint - before.endpoint },
  };
  progress(JSON.stringify(loss));
  return loss;
}
