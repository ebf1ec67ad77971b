import { Worker } from 'node:worker_threads';
import type { Watched } from './standstill-thread.js';

/**
 * A thread looks whether this one goes on. The world sees that events spin; only a thread can see it of promises that
 * resolve one another, or of a loop: then it prints seed and stack, and ends the process. Returns what is to be called
 * before each history of a seed.
 */
export function watchStandstill(mostMs: number): (seed: number) => void {
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const workerData: Watched = { progress, mostMs };
  new Worker(new URL('./standstill-thread.js', import.meta.url), { workerData, execArgv: [] }).unref();
  return (seed) => {
    progress[0] = seed;
    Atomics.add(progress, 1, 1);
  };
}
