import { makePlan } from '../plans/make-plan.js';
import { report } from './report.js';
import { runHistory } from './run-history.js';
import { shrink } from './shrink.js';

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
}

export async function runSeed({ seed, shrinks, reports }: Job): Promise<Outcome> {
  const plan = makePlan(seed);
  const history = await runHistory(plan);
  const { events, virtualMs, violations } = history;
  const isBroken = violations.length > 0;
  const told = { seed, isBroken, events, virtualMs };
  if (!isBroken && !reports) return told;
  const shown = isBroken && shrinks ? await shrink({ plan, history }) : { plan, history };
  return { ...told, text: `seed ${seed}\n${report(shown.plan, shown.history)}\n` };
}

/** As a process of its own: one job after the other. */
if (process.send !== undefined) {
  process.on('message', (job: Job) => void runSeed(job).then((outcome) => process.send?.(outcome)));
  process.once('disconnect', () => process.exit());
}
