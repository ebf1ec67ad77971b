import { uptime } from 'node:os';
import type { Clock } from '@muster/runtime/program';

/**
 * Milliseconds since any moment, never going back. On Linux and Windows the time in which the machine slept counts; on
 * macOS Node knows no such clock.
 */
export function elapsedTime(clock: Pick<Clock, 'monotonic'>): () => number {
  return process.platform === 'darwin' ? () => clock.monotonic() : () => uptime() * 1_000;
}

/** Processor time of this process in milliseconds. */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
