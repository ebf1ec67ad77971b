import { setTimeout as delay } from 'node:timers/promises';
import type { Stack } from '@muster/local';
import type { ResultForm } from '@muster/records';
import { FleetProcess } from '../fleet/fleet-process.js';
import { apiOf } from '../measure/rest.js';
import { progress } from '../measure/run-bench.js';
import { timeQuery, type QueryTimes } from './time-query.js';
import { CpuMeter, type CpuUse } from '../measure/process-cpu.js';
import { natsTraffic, trafficBetween, type Traffic } from '../measure/nats-traffic.js';
import { MEASURED_NODE_ARGS, profileArgs, settledBytes } from '../measure/process-memory.js';
import { pidsOf, startBenchStack, type StackBenchOptions } from '../fleet/bench-stack.js';

export interface ProductOptions extends StackBenchOptions {
  readonly sql: string;
  /** 0 measures memory only. */
  readonly repetitions: number;
  readonly warmUp: number;
}

export interface FormFigures {
  readonly times: readonly QueryTimes[];
  readonly traffic: readonly Traffic[];
  readonly cpuMs: CpuUse;
}

export interface ProductFigures {
  readonly bytesPerSession: number;
  readonly emptyBytes: number;
  readonly forms: Readonly<Record<ResultForm, FormFigures>>;
}

/** Agents that connect and leave before the measurement: code that the first sessions load and compile is no cost of later ones. */
const WARM_UP_AGENTS = 400;
/** The pause between queries, in which the broker and the services become idle. */
const PAUSE_MS = 150;

/** Starts the whole product and a uniform fleet, measures the gateways' memory and the times of queries, and stops everything. */
export async function runProduct(options: ProductOptions): Promise<ProductFigures> {
  const { agents, connectsPerSecond } = options;
  const profile = profileArgs(options.profileFolder);
  const nodeArgs = { gateway: [...MEASURED_NODE_ARGS, ...profile], query: profile, api: profile };
  const stack = await startBenchStack(options, nodeArgs);
  const startFleet = (fleetOptions: { readonly seed: number; readonly agents: number }): Promise<FleetProcess> =>
    FleetProcess.startOn(stack, { ...fleetOptions, connectsPerSecond }, profile);
  let fleet: FleetProcess | undefined;
  try {
    const warm = await startFleet({ seed: 2, agents: Math.min(WARM_UP_AGENTS, agents) });
    await ask(stack, warm, options, { repetitions: 0, warmUp: 3 });
    await warm.stop();
    const emptyBytes = await gatewayBytes(stack);
    const begin = performance.now();
    fleet = await startFleet({ seed: 1, agents });
    progress(`${agents} agents live after ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    const fullBytes = await gatewayBytes(stack);
    const forms = await ask(stack, fleet, options, options);
    return { emptyBytes, bytesPerSession: (fullBytes - emptyBytes) / agents, forms };
  } finally {
    await fleet?.stop();
    await stack.stop();
  }
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
): Promise<Record<ResultForm, FormFigures>> {
  const api = apiOf(stack);
  const pids = pidsOf(stack, fleet, natsPid, 'query');
  const forms = { raw: new FormMeter(pids), group: new FormMeter(pids) };
  const rounds = repetitions === 0 ? Math.min(warmUp, 3) : warmUp + repetitions;
  for (let round = 0; round < rounds; round += 1) {
    for (const form of ['raw', 'group'] as const) {
      const meter = round < warmUp ? new FormMeter(pids) : forms[form];
      const before = await natsTraffic(natsMonitorUrl);
      meter.cpu.begin();
      const result = await timeQuery(api, { sql, mode: form, timeout: '60s' });
      if (result.state !== 'complete' || result.ledger['answered'] !== result.ledger['targeted']) {
        throw new Error(`a query of the bench was not answered by all: ${JSON.stringify(result)}`);
      }
      await delay(PAUSE_MS);
      meter.cpu.end();
      meter.times.push(result);
      meter.traffic.push(trafficBetween(before, await natsTraffic(natsMonitorUrl)));
    }
  }
  return { raw: forms.raw.figures(), group: forms.group.figures() };
}

class FormMeter {
  readonly times: QueryTimes[] = [];
  readonly traffic: Traffic[] = [];
  readonly cpu: CpuMeter;

  constructor(pids: Readonly<Record<string, readonly (number | undefined)[]>>) {
    this.cpu = new CpuMeter(pids);
  }

  figures(): FormFigures {
    return { times: this.times, traffic: this.traffic, cpuMs: this.cpu.perRound() };
  }
}
