import type { Stack } from '@muster/local';
import type { BenchBrokers } from '../measure/run-bench.js';

/** Programs of Muster that are measured, in the sequence of the tables. */
export const SERVICES = ['gateway', 'query', 'command', 'telemetry', 'posture', 'api'] as const;
export type Service = (typeof SERVICES)[number];
export type Role = Service | 'nats' | 'redis' | 'fleet' | 'viewer';

/** The processes of each role. */
export type Pids = Readonly<Record<Role, readonly number[]>>;

export function pidsByRole(stack: Stack, brokers: BenchBrokers, fleet: readonly number[]): Pids {
  const of = (programs: readonly { readonly pid: number }[]): number[] => programs.map(({ pid }) => pid);
  const some = (pid: number | undefined): number[] => (pid === undefined ? [] : [pid]);
  return {
    ...{ gateway: of(stack.gateways), query: of(stack.queries), command: of(stack.commands) },
    ...{ telemetry: of(stack.telemetries), posture: of(stack.postures), api: of(stack.apis) },
    ...{ nats: some(brokers.natsPid), redis: some(brokers.redisPid), fleet, viewer: [process.pid] },
  };
}
