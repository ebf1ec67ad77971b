import { setTimeout as delay } from 'node:timers/promises';
import { natsTraffic, trafficBetween } from '../measure/nats-traffic.js';
import { cpuMs } from '../measure/process-cpu.js';
import { quantile } from '../measure/statistics.js';
import type { Pids, Role } from './roles.js';
import type { Phase, PhaseFigures } from './step-figures.js';

/** When a phase was, in Unix milliseconds. */
export interface Window {
  readonly phase: Phase;
  readonly from: number;
  readonly to: number;
}

/** Processor time of every process of every role so far. */
function sample(pids: Pids): Map<Role, Map<number, number>> {
  const of = (list: readonly number[]): Map<number, number> => new Map(list.map((pid) => [pid, cpuMs(pid)]));
  return new Map(Object.entries(pids).map(([role, list]) => [role as Role, of(list)]));
}

/** Measures the phases of one step. */
export class PhaseMeter {
  readonly #monitorUrl: string;
  readonly #figures = new Map<Phase, PhaseFigures>();
  #idle: ReadonlyMap<Role, number> = new Map();
  readonly windows: Window[] = [];

  constructor(natsMonitorUrl: string) {
    this.#monitorUrl = natsMonitorUrl;
  }

  /** What processes take while nothing happens is no cost of what is done to the fleet: it is taken off all phases. */
  async idle(pids: Pids, forMs: number): Promise<void> {
    const before = sample(pids);
    const begin = performance.now();
    await delay(forMs);
    const passedMs = performance.now() - begin;
    this.#idle = new Map([...usedBetween(before, sample(pids))].map(([role, ms]) => [role, ms / passedMs]));
  }

  /**
   * `run` once or several times; it returns how long it took, in milliseconds. `pids` are asked for before and after: a
   * phase may start processes.
   */
  async measure(phase: Phase, pids: () => Pids, times: number, run: () => Promise<number>): Promise<void> {
    const [before, trafficBefore] = [sample(pids()), await natsTraffic(this.#monitorUrl)];
    const from = Date.now();
    const took: number[] = [];
    for (let i = 0; i < times; i += 1) took.push(await run());
    const to = Date.now();
    this.windows.push({ phase, from, to });
    const used = [...usedBetween(before, sample(pids()))];
    const beyondIdle = used.map(([role, ms]) => [
      role,
      Math.max(0, ms - (this.#idle.get(role) ?? 0) * (to - from)) / times,
    ]);
    const traffic = trafficBetween(trafficBefore, await natsTraffic(this.#monitorUrl));
    this.#figures.set(phase, {
      ms: quantile(took, 0.5),
      cpuMs: Object.fromEntries(beyondIdle) as Record<Role, number>,
      messages: traffic.messages / times,
      bytes: traffic.bytes / times,
    });
  }

  /** Milliseconds of processor time that a role takes in a second in which nothing happens. */
  idlePerSecond(): Partial<Record<Role, number>> {
    return Object.fromEntries([...this.#idle].map(([role, share]) => [role, share * 1_000]));
  }

  figures(): Record<Phase, PhaseFigures> {
    return Object.fromEntries(this.#figures) as Record<Phase, PhaseFigures>;
  }
}

function usedBetween(before: Map<Role, Map<number, number>>, after: Map<Role, Map<number, number>>): Map<Role, number> {
  const used = ([role, list]: [Role, Map<number, number>]): [Role, number] => {
    let sum = 0;
    for (const [pid, ms] of list) sum += ms - (before.get(role)?.get(pid) ?? 0);
    return [role, sum];
  };
  return new Map([...after].map(used));
}
