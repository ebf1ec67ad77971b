import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack, type Stack } from '@muster/local';
import type { FleetRequest } from '../fleet/fleet-messages.js';
import { FleetProcess } from '../fleet/fleet-process.js';
import type { ApiAccess } from '../measure/rest.js';
import { timeQuery, type QueryTimes } from './event-stream.js';
import { CpuMeter, type CpuUse } from '../measure/process-cpu.js';
import { natsTraffic, trafficBetween, type Traffic } from '../measure/nats-traffic.js';
import { MEASURED_NODE_ARGS, settledBytes } from '../measure/process-memory.js';

export interface ProductOptions {
  readonly natsUrl: string;
  readonly natsMonitorUrl: string;
  readonly natsPid: number | undefined;
  readonly redisUrl: string;
  readonly folder: string;
  readonly agents: number;
  readonly gateways: number;
  readonly connectsPerSecond: number;
  readonly tls: boolean;
  readonly sql: string;
  /** 0 measures memory only. */
  readonly repetitions: number;
  readonly warmUp: number;
  /** Where V8 writes CPU profiles of the services. */
  readonly profileFolder?: string;
  readonly say: (text: string) => void;
}

export type Mode = 'raw' | 'group';

export interface ModeFigures {
  readonly times: readonly QueryTimes[];
  readonly traffic: readonly Traffic[];
  /** Processor time per question, by program. */
  readonly cpuMs: CpuUse;
}

export interface ProductFigures {
  readonly bytesPerSession: number;
  readonly emptyBytes: number;
  readonly modes: Readonly<Record<Mode, ModeFigures>>;
}

/** Agents that come and go before anything is measured: what the first sessions load and compile is no cost of later ones. */
const WARM_UP_AGENTS = 400;
/** Between questions: the broker and the services come to rest. */
const PAUSE_MS = 150;

/** Starts the whole product and a uniform fleet, measures the gateways' memory and the time of questions, and stops it all. */
export async function runProduct(options: ProductOptions): Promise<ProductFigures> {
  const { folder, natsUrl, redisUrl, gateways, tls, agents, say } = options;
  const stack = await startStack({
    folder,
    natsUrl,
    redisUrl,
    gateways,
    tls,
    logLevel: 'warn',
    nodeArgs: nodeArgs(options),
    env: { gateway: { MUSTER_GATEWAY_ENROLL_RATE: '5000', MUSTER_GATEWAY_UPGRADE_RATE: '5000' } },
  });
  let fleet: FleetProcess | undefined;
  try {
    const warm = await startFleet(stack, options, { seed: 2, agents: Math.min(WARM_UP_AGENTS, agents) });
    await ask(stack, warm, options, { repetitions: 0, warmUp: 3 });
    await warm.stop();
    const emptyBytes = await gatewayBytes(stack);
    const begin = performance.now();
    fleet = await startFleet(stack, options, { seed: 1, agents });
    say(`${agents} agents live after ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    const fullBytes = await gatewayBytes(stack);
    const modes = await ask(stack, fleet, options, options);
    return { emptyBytes, bytesPerSession: (fullBytes - emptyBytes) / agents, modes };
  } finally {
    await fleet?.stop();
    await stack.stop();
  }
}

function profileArgs({ profileFolder }: ProductOptions): string[] {
  return profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];
}

function nodeArgs(options: ProductOptions) {
  const profile = profileArgs(options);
  return { gateway: [...MEASURED_NODE_ARGS, ...profile], query: profile, api: profile };
}

function startFleet(
  stack: Stack,
  options: ProductOptions,
  { seed, agents }: { readonly seed: number; readonly agents: number },
): Promise<FleetProcess> {
  const [first, ...rest] = stack.gateways.map(({ url }) => url);
  if (first === undefined) throw new Error('the stack has no gateway');
  const order: FleetRequest = {
    t: 'fleet',
    keysFile: `${options.folder}/fleet-${seed}.json`,
    options: {
      gateways: [first, ...rest],
      org: stack.org,
      enrolSecret: stack.enrollSecret,
      agents,
      seed,
      uniform: true,
      connectsPerSecond: options.connectsPerSecond,
      ...(stack.caPath !== undefined && { ca: readFileSync(stack.caPath, 'utf8') }),
    },
  };
  return FleetProcess.start(order, profileArgs(options));
}

async function gatewayBytes(stack: Stack): Promise<number> {
  let sum = 0;
  for (const { pid } of stack.gateways) sum += await settledBytes(pid);
  return sum;
}

async function ask(
  stack: Stack,
  fleet: FleetProcess,
  { sql, natsMonitorUrl, natsPid }: ProductOptions,
  { repetitions, warmUp }: { readonly repetitions: number; readonly warmUp: number },
): Promise<Record<Mode, ModeFigures>> {
  const api: ApiAccess = {
    url: stack.apiUrl,
    token: stack.token,
    ...(stack.caPath !== undefined && { ca: readFileSync(stack.caPath, 'utf8') }),
  };
  const pids = {
    fleet: [fleet.pid],
    gateway: stack.gateways.map(({ pid }) => pid),
    nats: [natsPid],
    query: stack.queries.map(({ pid }) => pid),
    api: stack.apis.map(({ pid }) => pid),
    viewer: [process.pid],
  };
  const modes = { raw: new ModeMeter(pids), group: new ModeMeter(pids) };
  const rounds = repetitions === 0 ? Math.min(warmUp, 3) : warmUp + repetitions;
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of ['raw', 'group'] as const) {
      const meter = round < warmUp ? new ModeMeter(pids) : modes[mode];
      const before = await natsTraffic(natsMonitorUrl);
      meter.cpu.begin();
      const result = await timeQuery(api, { sql, mode, timeout: '60s' });
      if (result.state !== 'complete' || result.ledger['answered'] !== result.ledger['targeted']) {
        throw new Error(`a question of the bench was not answered by all: ${JSON.stringify(result)}`);
      }
      await delay(PAUSE_MS);
      meter.cpu.end();
      meter.times.push(result);
      meter.traffic.push(trafficBetween(before, await natsTraffic(natsMonitorUrl)));
    }
  }
  return { raw: modes.raw.figures(), group: modes.group.figures() };
}

class ModeMeter {
  readonly times: QueryTimes[] = [];
  readonly traffic: Traffic[] = [];
  readonly cpu: CpuMeter;

  constructor(pids: Readonly<Record<string, readonly (number | undefined)[]>>) {
    this.cpu = new CpuMeter(pids);
  }

  figures(): ModeFigures {
    return { times: this.times, traffic: this.traffic, cpuMs: this.cpu.perRound() };
  }
}
