import { availableParallelism, cpus, freemem, loadavg, totalmem, uptime } from 'node:os';
import { GROUP_LIMIT, GROUP_METRICS, groupMetric, hostMetric } from '@muster/host-metrics';
import { Measurements } from '../contract/measurements.js';

const TICK_MS = 10;
const HOST_MODES = { user: 'user', nice: 'nice', sys: 'system', idle: 'idle', irq: 'interrupt' } as const;

/** What Node knows of any machine: processors, memory, load, uptime. */
export function readPortableSet(): Measurements {
  const set = new Measurements();
  readProcessors(set);
  const { host } = set;
  host[hostMetric('system.memory.limit')] = totalmem() / 1_024;
  host[hostMetric('system.memory.usage', { 'system.memory.state': 'free' })] = freemem() / 1_024;
  host[hostMetric('system.memory.usage', { 'system.memory.state': 'used' })] = (totalmem() - freemem()) / 1_024;
  host[hostMetric('system.uptime')] = uptime();
  if (process.platform !== 'win32') {
    for (const [i, load] of loadavg().entries()) {
      host[hostMetric(`system.cpu.load_average.${['1m', '5m', '15m'][i]}`)] = load * 100;
    }
  }
  return set;
}

function readProcessors({ host, groups }: Measurements): void {
  const processors = cpus();
  if (processors.length === 0) return;
  host[hostMetric('system.cpu.logical.count')] = Math.max(processors.length, availableParallelism());
  for (const [key, mode] of Object.entries(HOST_MODES) as [keyof typeof HOST_MODES, string][]) {
    const totalMs = processors.reduce((total, { times }) => total + times[key], 0);
    host[hostMetric('system.cpu.time', { 'cpu.mode': mode })] = totalMs / TICK_MS;
  }
  const listed = processors.slice(0, GROUP_LIMIT.core);
  const width = GROUP_METRICS.core.length;
  const values = new Float64Array(listed.length * width).fill(Number.NaN);
  const place = (mode: string): number => groupMetric('core', 'system.cpu.time', { 'cpu.mode': mode });
  for (const [i, { times }] of listed.entries()) {
    values[i * width + place('user')] = (times.user + times.nice) / TICK_MS;
    values[i * width + place('system')] = (times.sys + times.irq) / TICK_MS;
    values[i * width + place('idle')] = times.idle / TICK_MS;
  }
  groups.core = { names: listed.map((_, i) => String(i)), values };
}
