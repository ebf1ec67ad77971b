import { hostMetric } from '@muster/host-metrics';
import { pageKib } from './page-size.js';
import { parseProcessStat, type ProcessStat, TICK_MS } from './parse/process.js';
import { readOnce } from './read-once.js';

const CPU_TIME = hostMetric('muster.agent.cpu.time');
const MEMORY = hostMetric('muster.agent.memory.usage');

/**
 * What the agent costs its host: its own process, its worker processes that run now, and, on Linux, those that have ended. Elsewhere worker processes are not
 * counted.
 */
export class AgentUsage {
  readonly #workerPids: () => readonly number[];

  constructor(workerPids: () => readonly number[]) {
    this.#workerPids = workerPids;
  }

  read(host: Float64Array): void {
    const { user, system } = process.cpuUsage();
    let cpuMs = (user + system) / 1_000;
    let kib = process.memoryUsage.rss() / 1_024;
    if (process.platform === 'linux') {
      cpuMs += (statOf('self')?.childTicks ?? 0) * TICK_MS;
      for (const pid of this.#workerPids()) {
        const worker = statOf(String(pid));
        if (worker === undefined) continue;
        cpuMs += (worker.ticks + worker.childTicks) * TICK_MS;
        kib += worker.residentPages * pageKib();
      }
    }
    host[CPU_TIME] = cpuMs;
    host[MEMORY] = kib;
  }
}

function statOf(pid: string): ProcessStat | undefined {
  const bytes = readOnce(`/proc/${pid}/stat`);
  return bytes === undefined ? undefined : parseProcessStat(bytes);
}
