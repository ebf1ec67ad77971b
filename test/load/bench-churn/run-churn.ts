import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import type { Stack } from '@muster/local';
import { sessionsOf, watchReturn } from '../../kit/return-times.js';
import { benchQuery } from '../bench-query/bench-query.js';
import { timeQuery } from '../bench-query/time-query.js';
import { pidsByRole, SERVICES, type Service } from '../bench-scale/roles.js';
import { startBenchStack } from '../fleet/bench-stack.js';
import { FleetGroup, processesFor } from '../fleet/fleet-group.js';
import { MEASURED_NODE_ARGS, settledBytes } from '../measure/process-memory.js';
import { apiOf } from '../measure/rest.js';
import { progress, type BenchBrokers } from '../measure/run-bench.js';

export interface ChurnOptions {
  readonly agents: number;
  readonly minutes: number;
  /** Of the fleet, that leaves in each minute. */
  readonly share: number;
  readonly tls: boolean;
  /** Whether all gateways are killed at the end. */
  readonly storm: boolean;
}

export interface Minute {
  readonly left: number;
  /** Sessions that gateways hold when everybody is back; more are double, fewer are lost. */
  readonly sessions: number;
  /** Endpoints that a question was asked of, and that answered it. */
  readonly targeted: number;
  readonly answered: number;
  readonly bytes: Readonly<Record<Service, number>>;
}

export interface StormFigures {
  readonly tenthBackMs: number | undefined;
  readonly allBackMs: number | undefined;
  readonly connectMs: number;
  readonly bytes: Readonly<Record<Service, number>>;
}

export interface ChurnFigures {
  readonly minutes: readonly Minute[];
  readonly storm: StormFigures | undefined;
}

const AWAY_MS = 15_000;
const MINUTE_MS = 60_000;
const STORM_BOUND_MS = 600_000;

/** A fleet of which a part leaves and comes again in each minute. */
export async function runChurn(brokers: BenchBrokers, options: ChurnOptions): Promise<ChurnFigures> {
  const { agents, tls } = options;
  const { sql } = await benchQuery();
  const nodeArgs = Object.fromEntries(SERVICES.map((service) => [service, [...MEASURED_NODE_ARGS]]));
  const stackOptions = {
    ...{ ...brokers, folder: join(brokers.folder, 'stack'), tls, agents },
    ...{ gateways: Math.max(2, processesFor(agents)), connectsPerSecond: 1_500 },
  };
  const stack = await startBenchStack(stackOptions, nodeArgs, { postures: 1, restart: true });
  const startedMs = performance.now();
  let fleet: FleetGroup | undefined;
  try {
    fleet = await FleetGroup.start(stack, { agents, seed: 1, connectsPerSecond: 1_500, disappearMs: AWAY_MS });
    const connectMs = performance.now() - startedMs;
    const minutes: Minute[] = [];
    for (let minute = 0; minute < options.minutes; minute += 1) {
      minutes.push(await fleet.during(oneMinute({ stack, brokers, fleet, options, sql })));
      progress(`minute ${minute + 1}: ${JSON.stringify({ ...minutes.at(-1), bytes: undefined })}`);
    }
    const storm = options.storm ? await fleet.during(killAll(stack, brokers, agents, connectMs)) : undefined;
    return { minutes, storm };
  } finally {
    await fleet?.stop();
    await stack.stop();
  }
}

interface Running {
  readonly stack: Stack;
  readonly brokers: BenchBrokers;
  readonly fleet: FleetGroup;
  readonly options: ChurnOptions;
  readonly sql: string;
}

async function oneMinute({ stack, brokers, fleet, options, sql }: Running): Promise<Minute> {
  const begin = performance.now();
  const left = await fleet.leave(options.share);
  await delay(AWAY_MS);
  while ((await fleet.connected()) < options.agents) await delay(200);
  const sessions = await steadySessions(stack, options.agents);
  const { ledger } = await timeQuery(apiOf(stack), { sql, mode: 'group', timeout: '60s' });
  const bytes = await memoryOf(stack, brokers);
  await delay(Math.max(0, MINUTE_MS - (performance.now() - begin)));
  return { left, sessions, targeted: ledger['targeted'] ?? 0, answered: ledger['answered'] ?? 0, bytes };
}

/** A gateway may need a moment to notice that a connection is gone. */
async function steadySessions(stack: Stack, agents: number): Promise<number> {
  const until = performance.now() + MINUTE_MS / 2;
  for (;;) {
    const sessions = await sessionsOf(stack);
    if (sessions === agents || performance.now() > until) return sessions;
    await delay(500);
  }
}

async function killAll(stack: Stack, brokers: BenchBrokers, agents: number, connectMs: number): Promise<StormFigures> {
  progress('all gateways are killed');
  const lose = (): number => {
    for (const gateway of stack.gateways) gateway.signal('SIGKILL');
    return agents;
  };
  const { at } = await watchReturn(stack, { agents, boundMs: STORM_BOUND_MS, lose });
  return { tenthBackMs: at(0.1), allBackMs: at(1), connectMs, bytes: await memoryOf(stack, brokers) };
}

async function memoryOf(stack: Stack, brokers: BenchBrokers): Promise<Record<Service, number>> {
  const pids = pidsByRole(stack, brokers, []);
  const all = SERVICES.map(async (service): Promise<[Service, number]> => {
    const bytes = await Promise.all(pids[service].map(settledBytes));
    return [service, bytes.reduce((sum, one) => sum + one, 0)];
  });
  return Object.fromEntries(await Promise.all(all)) as Record<Service, number>;
}
