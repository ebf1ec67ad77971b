import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runSeed, type Job, type Outcome } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

export interface SeedsOptions extends Omit<Job, 'seed'> {
  readonly first: number;
  readonly count: number;
  /** How many processes; 0: in this one, for a debugger. */
  readonly workers: number;
}

/**
 * What came of each seed, in their order, whichever process was quicker. A history replaces the globals of its process,
 * so each runs one.
 */
export async function* runSeeds({ first, count, workers, ...job }: SeedsOptions): AsyncGenerator<Outcome> {
  const seeds = Array.from({ length: count }, (_, index) => first + index);
  if (workers === 0) {
    for (const seed of seeds) yield await runSeed({ seed, ...job });
    return;
  }
  const children = new Set(Array.from({ length: workers }, () => fork(WORKER)));
  const running = new Map<number, Promise<Outcome>>();
  let isOver = false;
  try {
    const idle = [...children];
    const waiting: ((child: ChildProcess) => void)[] = [];
    const run = async (seed: number): Promise<Outcome> => {
      const child = idle.pop() ?? (await new Promise<ChildProcess>((resolve) => waiting.push(resolve)));
      const outcome = await ask(child, { seed, ...job });
      if (isOver) return outcome;
      const free = hasEnded(child) ? fork(WORKER) : child;
      children.delete(child);
      children.add(free);
      const next = waiting.shift();
      if (next === undefined) idle.push(free);
      else next(free);
      return outcome;
    };
    for (const seed of seeds) {
      running.set(seed, run(seed));
      if (running.size < 4 * workers) continue;
      yield* oldest(running);
    }
    while (running.size > 0) yield* oldest(running);
  } finally {
    isOver = true;
    // What still runs is not waited for when one history was enough.
    for (const outcome of running.values()) outcome.catch(() => undefined);
    await Promise.all([...children].map(ended));
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
  if (hasEnded(child)) return;
  const exit = once(child, 'exit');
  if (child.connected) child.disconnect();
  await exit;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

/** A process that ends meanwhile has said why, or could not. */
function ask(child: ChildProcess, job: Job): Promise<Outcome> {
  const { seed } = job;
  return new Promise((resolve) => {
    const lost = (code: number | null, signal: string | null): void => {
      const text = `seed ${seed}\nFAILED: its process ended by ${signal ?? `itself, with ${code}`}\n`;
      resolve({ seed, isBroken: true, events: 0, virtualMs: 0, text });
    };
    child.once('exit', lost);
    child.once('message', (outcome) => {
      child.off('exit', lost);
      resolve(outcome as Outcome);
    });
    child.send(job);
  });
}
