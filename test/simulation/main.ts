import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measured } from './covered/measure.js';
import { runSeeds } from './history/run-seeds.js';

const USAGE = `npm run simulate:faults -- [--seed N] [--histories M] [--workers W] [--most-ms MS] [--keep-going] [--no-shrink] [--timeline] [--coverage]

Runs the real services in a simulated world, with faults by seed, and judges what callers were told.
  --seed N        the first seed; default: by the time of day
  --histories M   how many, each with the next seed; default 1
  --workers W     in how many processes; 0: in this one; default: one for each core
  --most-ms MS    how much processor time one history may take before it counts as one that never ends; default 20000
  --no-shrink     do not look for the smallest history that still breaks a promise
  --keep-going    go on after a history that breaks a promise
  --timeline      print what happened, also where every promise held
  --coverage      say at the end how many lines of the simulated packages have run`;

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    histories: { type: 'string', default: '1' },
    workers: { type: 'string' },
    'most-ms': { type: 'string', default: '20000' },
    'keep-going': { type: 'boolean', default: false },
    'no-shrink': { type: 'boolean', default: false },
    timeline: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(USAGE);
} else if (values.coverage) {
  const others = process.argv.slice(2).filter((arg) => arg !== '--coverage');
  process.exitCode = await measured(fileURLToPath(import.meta.url), others);
} else {
  const first = values.seed === undefined ? Date.now() % 1_000_000_000 : Number(values.seed);
  const count = Number(values.histories);
  const workers = values.workers === undefined ? Math.min(count, availableParallelism()) : Number(values.workers);
  const mostMs = Number(values['most-ms']);
  const isWhole = [first, count, workers, mostMs].every((each) => Number.isSafeInteger(each));
  if (!isWhole || count < 1 || workers < 0) {
    console.error(USAGE);
    process.exitCode = 2;
  } else process.exitCode = (await simulate({ first, count, workers, mostMs })) > 0 ? 1 : 0;
}

interface Range {
  readonly first: number;
  readonly count: number;
  readonly workers: number;
  readonly mostMs: number;
}

/** Returns how many histories broke a promise. */
async function simulate(range: Range): Promise<number> {
  const begunMs = performance.now();
  const total = { histories: 0, broken: 0, events: 0, virtualMs: 0 };
  const job = { shrinks: !values['no-shrink'], reports: values.timeline };
  for await (const { isBroken, events, virtualMs, text } of runSeeds({ ...range, ...job })) {
    total.histories += 1;
    total.events += events;
    total.virtualMs += virtualMs;
    if (text !== undefined) console.log(text);
    if (!isBroken) continue;
    total.broken += 1;
    if (!values['keep-going']) break;
  }
  const hours = (total.virtualMs / 3_600_000).toFixed(1);
  const seconds = ((performance.now() - begunMs) / 1_000).toFixed(1);
  console.log(
    `${total.histories} histories from seed ${range.first}, ${total.broken} broke a promise; ${total.events} events, ${hours} virtual hours in ${seconds} s`,
  );
  return total.broken;
}
