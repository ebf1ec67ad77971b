import type { Clock } from '@muster/runtime/program';
import { AgentUsage } from './linux/agent-usage.js';
import type { HostReader } from './contract/host-reader.js';
import { LinuxReader } from './linux/linux-reader.js';
import { PortableReader } from './portable-reader.js';

/** The reader for this machine. */
export function openHostReader(clock: Clock, workerPids: () => readonly number[]): HostReader {
  const usage = new AgentUsage(workerPids);
  return process.platform === 'linux' ? new LinuxReader({ usage, clock }) : new PortableReader(usage);
}
