import { join } from 'node:path';
import { startStack, type Stack, type StackOptions } from '@muster/local';
import type { FleetProcess } from './fleet-process.js';
import type { BenchBrokers, OptionValues } from '../measure/run-bench.js';

export interface StackBenchOptions extends BenchBrokers {
  readonly agents: number;
  readonly gateways: number;
  readonly connectsPerSecond: number;
  readonly tls: boolean;
  /** Where V8 writes CPU profiles of the services. */
  readonly profileFolder?: string;
}

export const STACK_OPTIONS = {
  agents: { type: 'string', default: '15000' },
  gateways: { type: 'string', default: '1' },
  rate: { type: 'string', default: '1500' },
  tls: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

export function stackOptions(brokers: BenchBrokers, options: OptionValues<typeof STACK_OPTIONS>): StackBenchOptions {
  return {
    ...{ ...brokers, folder: join(brokers.folder, 'stack'), tls: options.tls },
    ...{ agents: Number(options.agents), gateways: Number(options.gateways), connectsPerSecond: Number(options.rate) },
    ...(options.profile !== undefined && { profileFolder: options.profile }),
  };
}

/** Starts the whole product, with rate limits that do not slow down a fleet. */
export function startBenchStack(
  options: StackBenchOptions,
  nodeArgs: NonNullable<StackOptions['nodeArgs']>,
  services: Pick<StackOptions, 'postures' | 'queries' | 'commands' | 'telemetries' | 'restart'> = {},
): Promise<Stack> {
  const { folder, natsUrl, redisUrl, gateways, tls } = options;
  const env = { gateway: { MUSTER_GATEWAY_ENROLL_RATE: '10000', MUSTER_GATEWAY_UPGRADE_RATE: '5000' } };
  return startStack({ ...services, folder, natsUrl, redisUrl, gateways, tls, logLevel: 'warn', nodeArgs, env });
}

/** The processes that take part, by program; `service` is the one that is measured. */
export function pidsOf(stack: Stack, fleet: FleetProcess, natsPid: number | undefined, service: 'query' | 'command') {
  return {
    fleet: [fleet.pid],
    gateway: stack.gateways.map(({ pid }) => pid),
    nats: [natsPid],
    [service]: (service === 'query' ? stack.queries : stack.commands).map(({ pid }) => pid),
    api: stack.apis.map(({ pid }) => pid),
    viewer: [process.pid],
  };
}
