import type { Clock } from '@muster/runtime/program';
import type { HostReader } from './contract/host-reader.js';
import { AgentUsage } from './linux/agent-usage.js';
import { LinuxReader } from './linux/linux-reader.js';
import { MacosPlatform } from './macos/macos-platform.js';
import { PortableReader } from './portable/portable-reader.js';
import { ProgramReader } from './program/program-reader.js';
import { WindowsPlatform } from './windows/windows-platform.js';

export interface HostReaderOptions {
  readonly clock: Clock;
  readonly workerPids: () => readonly number[];
  /** The environment of programs of the system, where they need one. */
  readonly programEnv: Readonly<Record<string, string>> | undefined;
}

/** The reader for this machine. */
export function openHostReader({ clock, workerPids, programEnv = {} }: HostReaderOptions): HostReader {
  const usage = new AgentUsage(workerPids);
  switch (process.platform) {
    case 'linux':
      return new LinuxReader({ usage, clock });
    case 'win32':
      return new ProgramReader({ platform: new WindowsPlatform({ env: programEnv }), usage, clock });
    case 'darwin':
      return new ProgramReader({ platform: new MacosPlatform(), usage, clock });
    default:
      return new PortableReader({ usage });
  }
}
