import { hostMetric } from '@muster/host-metrics';
import { KernelFile } from './kernel-file.js';
import { pageKib } from './page-size.js';
import { parseProcessStat, type ProcessStat, TICK_MS } from './parse/process.js';
import { readOnce } from './read-once.js';

const CPU_TIME = hostMetric('muster.agent.cpu.time');
const MEMORY = hostMetric('muster.agent.memory.usage');

/**
 * What the agent costs its host: its own process, its worker processes that run now, and, on Linux, those that have
 * ended. Elsewhere worker processes are not counted.
 */
export class AgentUsage {
  readonly #workerPids: () => readonly number[];
  readonly #own = new KernelFile('/proc/self/stat');

  constructor(workerPids: () => readonly number[]) {
    this.#workerPids = workerPids;
  }

  read(host: Float64Array): void {
    const { user, system } = process.cpuUsage();
    let cpuMs = (user + system) / 1_000;
    const own = process.platform === 'linux' ? parsed(this.#own.read()) : undefined;
    let kib = own === undefined ? process.memoryUsage.rss() / 1_024 : own.residentPages * pageKib();
    if (own !== undefined) {
      cpuMs += own.childTicks * TICK_MS;
      for (const pid of this.#workerPids()) {
        const worker = parsed(readOnce(`/proc/${pid}/stat`));
        if (worker === undefined) continue;
        cpuMs += (worker.ticks + worker.childTicks) * TICK_MS;
        kib += worker.residentPages * pageKib();
      }
    }
    host[CPU_TIME] = cpuMs;
    host[MEMORY] = kib;
  }

  close(): void {
    this.#own.close();
  }
}

function parsed(bytes: Buffer | undefined): ProcessStat | undefined {
  return bytes === undefined ? undefined : parseProcessStat(bytes);
}
