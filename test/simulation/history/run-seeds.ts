import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runSeed, type Job, type Outcome } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

export interface SeedsOptions extends Omit<Job, 'seed'> {
  readonly first: number;
  readonly count: number;
  /** How many processes; 1: in this one. */
  readonly workers: number;
}

/** What came of each seed, in their order, whichever process was quicker. A history replaces the globals of its process, so each runs one. */
export async function* runSeeds({ first, count, workers, ...job }: SeedsOptions): AsyncGenerator<Outcome> {
  const seeds = Array.from({ length: count }, (_, index) => first + index);
  if (workers === 1) {
    for (const seed of seeds) yield await runSeed({ seed, ...job });
    return;
  }
  const children = Array.from({ length: workers }, () => fork(WORKER));
  const running = new Map<number, Promise<Outcome>>();
  try {
    const idle = [...children];
    const waiting: ((child: ChildProcess) => void)[] = [];
    const run = async (seed: number): Promise<Outcome> => {
      const child = idle.pop() ?? (await new Promise<ChildProcess>((resolve) => waiting.push(resolve)));
      const outcome = await ask(child, { seed, ...job });
      const next = waiting.shift();
      if (next === undefined) idle.push(child);
      else next(child);
      return outcome;
    };
    for (const seed of seeds) {
      running.set(seed, run(seed));
      if (running.size < 4 * workers) continue;
      yield* oldest(running);
    }
    while (running.size > 0) yield* oldest(running);
  } finally {
    // What still runs is not waited for when one history was enough.
    for (const outcome of running.values()) outcome.catch(() => undefined);
    await Promise.all(children.map(ended));
  }
}

async function* oldest(running: Map<number, Promise<Outcome>>): AsyncGenerator<Outcome> {
  for (const [seed, outcome] of running) {
    running.delete(seed);
    yield await outcome;
    return;
  }
}

/** Lets it go, rather than killing it: at its exit a process writes which code has run, where it is asked to. */
async function ended(child: ChildProcess): Promise<void> {
  if (!child.connected) return;
  const exit = once(child, 'exit');
  child.disconnect();
  await exit;
}

function ask(child: ChildProcess, job: Job): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const lost = (code: number | null): void => reject(new Error(`the process of seed ${job.seed} ended with ${code}`));
    child.once('exit', lost);
    child.once('message', (outcome) => {
      child.off('exit', lost);
      resolve(outcome as Outcome);
    });
    child.send(job);
  });
}
