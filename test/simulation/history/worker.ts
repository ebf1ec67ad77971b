import { errorText } from '../world/program-errors.js';
import { makePlan } from '../plans/make-plan.js';
import { report } from './report.js';
import { runHistory } from './run-history.js';
import { shrink } from './shrink.js';
import { watchStandstill } from './watch-standstill.js';

/** What came of the history of one seed. */
export interface Outcome {
  readonly seed: number;
  readonly isBroken: boolean;
  readonly events: number;
  readonly virtualMs: number;
  /** Of a history that broke a promise, or of each where asked for. */
  readonly text?: string;
}

export interface Job {
  readonly seed: number;
  readonly shrinks: boolean;
  readonly reports: boolean;
  /** How much processor time one history may take; afterwards it counts as one that never ends. */
  readonly mostMs: number;
}

let begins: ((seed: number) => void) | undefined;

export async function runSeed(job: Job): Promise<Outcome> {
  const { seed } = job;
  begins ??= watchStandstill(job.mostMs);
  try {
    return await run(job, (plan, tells) => {
      begins?.(seed);
      return runHistory(plan, tells);
    });
  } catch (error) {
    // A mistake of the simulation, of which the others know nothing.
    return { seed, isBroken: true, events: 0, virtualMs: 0, text: `seed ${seed}\nFAILED: ${errorText(error)}\n` };
  }
}

async function run({ seed, shrinks, reports }: Job, live: typeof runHistory): Promise<Outcome> {
  const plan = makePlan(seed);
  const history = await live(plan);
  const { events, virtualMs, violations } = history;
  const isBroken = violations.length > 0;
  const told = { seed, isBroken, events, virtualMs };
  if (!isBroken && !reports) return told;
  const shown = isBroken && shrinks ? await shrink({ plan, history }, live) : { plan, history };
  // The same history once more: to tell its messages takes as long again.
  const whole = await live(shown.plan, { tellsMessages: true });
  return { ...told, text: `seed ${seed}\n${report(shown.plan, whole)}\n` };
}

/** As a process of its own: one job after the other. */
if (process.send !== undefined) {
  process.on('message', (job: Job) => void runSeed(job).then((outcome) => process.send?.(outcome)));
  process.once('disconnect', () => process.exit());
}
