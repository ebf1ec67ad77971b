import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from '@muster/local';
import { fleetOptions } from '../../kit/harness.js';
import type { FleetOptions } from '../../simulator/index.js';
import { FleetProcess } from './fleet-process.js';

/** A process is commonly limited to 20,000 file descriptors, and needs some for itself. A gateway has room for sessions that move to it. */
const AGENTS_PER_PROCESS = 15_000;

/** How many processes hold so many endpoints, on either side. */
export function processesFor(agents: number): number {
  return Math.ceil(agents / AGENTS_PER_PROCESS);
}

export interface FleetGroupOptions {
  readonly agents: number;
  readonly seed: number;
  readonly connectsPerSecond: number;
  readonly metrics?: boolean;
  /** Of all endpoints, besides their own. */
  readonly labels?: FleetOptions['labels'];
  /** How long those that leave are away. */
  readonly disappearMs?: number;
  /** Default: as many as the file descriptors need. */
  readonly processes?: number;
  readonly nodeArgs?: readonly string[];
}

/** One fleet in as many processes as it needs. All of them share a file of identities. */
export class FleetGroup {
  readonly #processes: readonly FleetProcess[];
  /** Rejects when one of its processes ends: what is measured without its endpoints would be nothing. */
  readonly lost: Promise<never>;

  private constructor(processes: readonly FleetProcess[]) {
    this.#processes = processes;
    this.lost = Promise.race(processes.map(({ lost }) => lost));
    this.lost.catch(() => undefined);
  }

  /** Resolves when all endpoints are enrolled. None of them connects: `stop` is all that is left to do with them. */
  static enrol(stack: Stack, options: FleetGroupOptions): Promise<FleetGroup> {
    return FleetGroup.#start(stack, 'enrol', options);
  }

  /** Resolves when all endpoints are ready. */
  static start(stack: Stack, options: FleetGroupOptions): Promise<FleetGroup> {
    return FleetGroup.#start(stack, 'fleet', options);
  }

  static async #start(stack: Stack, t: 'enrol' | 'fleet', options: FleetGroupOptions): Promise<FleetGroup> {
    const { agents, processes = processesFor(agents), nodeArgs = [] } = options;
    const share = Math.ceil(agents / processes);
    const starting = Array.from({ length: Math.ceil(agents / share) }, (_, i) => {
      const count = Math.min(share, agents - i * share);
      const own = ownOptions(stack, options, { first: i * share, count, number: i });
      return FleetProcess.start(
        { t, keysFile: join(stack.folder, `fleet-${options.seed}.json`), options: own },
        nodeArgs,
      );
    });
    const all = await Promise.allSettled(starting);
    const started = all.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const failed = all.find((result) => result.status === 'rejected');
    if (failed === undefined) return new FleetGroup(started);
    await Promise.all(started.map((process) => process.stop()));
    throw failed.reason;
  }

  get pids(): number[] {
    return this.#processes.map(({ pid }) => pid);
  }

  async connected(): Promise<number> {
    const counts = await Promise.all(this.#processes.map((process) => process.connected()));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** A share of the fleet, taken at random, leaves and comes again after `disappearMs`. Resolves with how many left. */
  async leave(share: number): Promise<number> {
    const counts = await Promise.all(this.#processes.map((process) => process.leave(share)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Rejects when a process of the fleet ends before the work does. */
  during<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.lost]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.stop()));
  }
}

function ownOptions(
  stack: Stack,
  { seed, connectsPerSecond, metrics = false, labels = {}, disappearMs = 60_000 }: FleetGroupOptions,
  { first, count, number }: { readonly first: number; readonly count: number; readonly number: number },
): FleetOptions {
  const { gateways, ...rest } = fleetOptions({ stack });
  const ca = stack.caPath === undefined ? {} : { ca: readFileSync(stack.caPath, 'utf8') };
  // A fleet enrols at the first gateway of its list.
  const at = number % gateways.length;
  const turned = [...gateways.slice(at), ...gateways.slice(0, at)] as [string, ...string[]];
  const options = { ...rest, ...ca, gateways: turned, agents: count, firstIndex: first };
  return { ...options, seed, connectsPerSecond, metrics, labels, disappearMs, uniform: true };
}
