import { hostMetric } from '@muster/host-metrics';

const CPU_TIME = hostMetric('muster.agent.cpu.time');
const MEMORY = hostMetric('muster.agent.memory.usage');

/** What a program has cost since it started. */
export interface ProgramCost {
  readonly cpuMs: number;
  /** `NaN`: unknown. */
  readonly residentBytes: number;
}

/** Adds up what the programs of an agent have cost, those that have ended included. */
export class ProgramCosts {
  #endedMs = 0;
  #last: ProgramCost = { cpuMs: 0, residentBytes: Number.NaN };

  take(cost: ProgramCost): void {
    if (cost.cpuMs < this.#last.cpuMs) this.ended();
    this.#last = cost;
  }

  /** The program has ended: the next one counts from 0. */
  ended(): void {
    this.#endedMs += this.#last.cpuMs;
    this.#last = { cpuMs: 0, residentBytes: Number.NaN };
  }

  /** Adds them to what the agent's own process costs. */
  addTo(host: Float64Array): void {
    host[CPU_TIME] = (host[CPU_TIME] as number) + this.#endedMs + this.#last.cpuMs;
    if (this.#last.residentBytes >= 0) host[MEMORY] = (host[MEMORY] as number) + this.#last.residentBytes / 1_024;
  }
}
