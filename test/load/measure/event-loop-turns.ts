import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Arguments for a Node process whose turns of the event loop are to be measured; it writes them to this folder when it ends. */
export function turnMeterArgs(folder: string): string[] {
  const main = new URL('../turn-meter/main.js', import.meta.url);
  main.searchParams.set('folder', folder);
  return [`--import=${main.href}`];
}

/** Processor time of the turns of a process that has ended, in milliseconds, from one moment to another (Unix milliseconds). */
export function turnsOf(folder: string, pid: number, [fromMs, toMs]: readonly [number, number]): number[] {
  const ticks = JSON.parse(readFileSync(join(folder, `${pid}.json`), 'utf8')) as [number, number][];
  return ticks.filter(([atMs]) => atMs >= fromMs && atMs <= toMs).map(([, cpuMs]) => cpuMs);
}
