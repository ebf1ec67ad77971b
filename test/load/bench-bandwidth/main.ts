import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDurationMs } from '@muster/runtime';
import { runBench } from '../measure/run-bench.js';
import { benchAgents } from './bench-agents.js';
import { drawBandwidth } from './picture.js';
import { report } from './report.js';
import { FAST_FORWARD, runBandwidth } from './run-bandwidth.js';
import { summarize } from './summary.js';

/** Compiled to test/dist/load/bench-bandwidth; the figures are kept with the documents that show them. */
const FIGURES = fileURLToPath(new URL('../../../../docs/figures/', import.meta.url));
/** Polls in fast-forward come once a second at most, samples every ten seconds. */
const LEAST_FRESHNESS_MS = Math.max(FAST_FORWARD * 1_000, 10_000);

const USAGE = `npm run bench:bandwidth -- [options]

  --freshness TIME  how old an answer may be: the interval of polls and of samples (default 10s; ${LEAST_FRESHNESS_MS / 1_000}s or more)
  --queries N       in the hour of the workload (default 2)
  --commands N      in the hour of the workload (default 1)
  --idle TIME       how much of the idle hour is run, ${FAST_FORWARD} times as fast as usual; the rest is scaled (default 60m)
  --repetitions N   how often a query is measured; commands half as often (default 20)
  --out DIR         the folder of bandwidth.json and bandwidth.svg (default docs/figures)

With the defaults it takes twelve minutes.`;

const OPTIONS = {
  freshness: { type: 'string', default: '10s' },
  queries: { type: 'string', default: '2' },
  commands: { type: 'string', default: '1' },
  idle: { type: 'string', default: '60m' },
  repetitions: { type: 'string', default: '20' },
  out: { type: 'string', default: FIGURES },
  help: { type: 'boolean', default: false },
} as const;

function durationOf(name: string, text: string, leastMs: number): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < leastMs)
    throw new RangeError(`--${name} is a time of ${leastMs / 1_000}s or more, not "${text}"`);
  return ms;
}

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async ({ folder, natsUrl, redisUrl }, options) => {
    const freshnessMs = durationOf('freshness', options.freshness, LEAST_FRESHNESS_MS);
    const workload = { freshnessMs, queries: Number(options.queries), commands: Number(options.commands) };
    const agents = benchAgents({
      idleMs: durationOf('idle', options.idle, 1_000),
      repetitions: Number(options.repetitions),
    });
    const figures = await runBandwidth({ natsUrl, redisUrl, folder: join(folder, 'bench'), freshnessMs, agents });
    const summary = summarize(figures, workload);
    const { method, ...rest } = report(figures, summary);
    return {
      folder: options.out,
      name: 'bandwidth',
      files: { 'bandwidth.svg': drawBandwidth(summary) },
      document: { method, summary, figures },
      ...rest,
    };
  },
});
