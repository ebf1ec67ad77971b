import { openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Loaded by `--import` into the processes whose event loop is measured: `main.js?folder=/tmp/x`. A timer is due every
 * five milliseconds. The processor time that this thread took between two of its calls is that of the turns of the
 * event loop between them: a turn of 30 ms is seen as 30 ms or little more, and a process that only waited for a
 * processor is not seen at all. At its end the process writes all of them to `PID.json`.
 */
const EVERY_MS = 5;
/** An hour of them. */
const MAX_TICKS = 720_000;

const folder = new URL(import.meta.url).searchParams.get('folder') ?? '.';
const file = openSync('/proc/self/schedstat', 'r');
const text = Buffer.alloc(64);
const ticks: [atMs: number, cpuMs: number][] = [];
let beforeMs = cpuMs();

setInterval(() => {
  const nowMs = cpuMs();
  if (ticks.length < MAX_TICKS) ticks.push([Date.now(), nowMs - beforeMs]);
  beforeMs = nowMs;
}, EVERY_MS).unref();
process.on('exit', () => writeFileSync(join(folder, `${process.pid}.json`), JSON.stringify(ticks)));

/** Processor time of the main thread, whose number is that of the process. */
function cpuMs(): number {
  const length = readSync(file, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[0]) / 1e6;
}
