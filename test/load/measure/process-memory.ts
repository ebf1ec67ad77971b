import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** Arguments for a Node process whose memory is to be measured. */
export const MEASURED_NODE_ARGS: readonly string[] = [
  `--import=${fileURLToPath(new URL('../gc-on-signal/main.js', import.meta.url))}`,
];

/** Arguments for a Node process that writes a CPU profile to this folder; none without a folder. */
export function profileArgs(folder: string | undefined): string[] {
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

/** Resident bytes of a process, from /proc. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** The most that a process has had resident since it started. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

function statusBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024;
}

/**
 * Resident bytes after garbage collection, once the figure no longer falls. Free pages return to the system with some delay, so this
 * takes seconds.
 */
export async function settledBytes(pid: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let still = 0; still < 4;) {
    process.kill(pid, 'SIGUSR2');
    await delay(1_000);
    const now = residentBytes(pid);
    still = now > least * 0.998 ? still + 1 : 0;
    least = Math.min(least, now);
  }
  return least;
}
