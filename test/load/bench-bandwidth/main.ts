import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startNats, startRedis } from '@muster/local';
import { parseDurationMs, silentLogger } from '@muster/runtime';
import { benchAgents } from './bench-agents.js';
import { drawBandwidth } from './picture.js';
import { formatSummary, methodOf } from './report.js';
import { FAST_FORWARD, runBandwidth, type BandwidthFigures } from './run-bandwidth.js';
import { summarize } from './summary.js';

/** Compiled to test/dist/load/bench-bandwidth; the figures are kept with the documents that show them. */
const FIGURES = fileURLToPath(new URL('../../../../docs/figures/', import.meta.url));
const LEAST_FRESHNESS_MS = FAST_FORWARD * 1_000;

const USAGE = `npm run bench:bandwidth -- [options]

  --freshness TIME  how old an answer may be: the interval of those that poll, and of samples (default 10s; ${LEAST_FRESHNESS_MS / 1_000}s or more)
  --queries N       in the hour of the workload (default 2)
  --commands N      in the hour of the workload (default 1)
  --idle TIME       how much of the idle hour passes, ${FAST_FORWARD} times as fast as usual; the rest is scaled (default 60m)
  --repetitions N   how often a query is measured; commands half, samples twice as often (default 20)
  --out DIR         where bandwidth.json and bandwidth.svg go (default docs/figures)

With the defaults it takes ten minutes.`;

const OPTIONS = {
  freshness: { type: 'string', default: '10s' },
  queries: { type: 'string', default: '2' },
  commands: { type: 'string', default: '1' },
  idle: { type: 'string', default: '60m' },
  repetitions: { type: 'string', default: '20' },
  out: { type: 'string', default: FIGURES },
  help: { type: 'boolean', default: false },
} as const;

type Options = ReturnType<typeof readOptions>;

function readOptions() {
  return parseArgs({ options: OPTIONS, strict: true }).values;
}

function durationOf(name: string, text: string, leastMs: number): number {
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < leastMs)
    throw new RangeError(`--${name} is a time of ${leastMs / 1_000}s or more, not "${text}"`);
  return ms;
}

function workloadOf({ commands, freshness, queries }: Options) {
  const freshnessMs = durationOf('freshness', freshness, LEAST_FRESHNESS_MS);
  return { freshnessMs, queries: Number(queries), commands: Number(commands) };
}

async function measure(options: Options, freshnessMs: number): Promise<BandwidthFigures> {
  const agents = benchAgents({
    idleMs: durationOf('idle', options.idle, 1_000),
    repetitions: Number(options.repetitions),
  });
  const folder = await mkdtemp(join(tmpdir(), 'muster-bench-'));
  const nats = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger });
  try {
    const redis = await startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger });
    try {
      return await runBandwidth({
        natsUrl: nats.url,
        redisUrl: redis.url,
        folder: join(folder, 'bench'),
        freshnessMs,
        agents,
        say: (text) => process.stderr.write(`${text}\n`),
      });
    } finally {
      await redis.stop();
    }
  } finally {
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

const options = readOptions();
if (options.help) console.log(USAGE);
else {
  const workload = workloadOf(options);
  const figures = await measure(options, workload.freshnessMs);
  const summary = summarize(figures, workload);
  const machine = { node: process.version, cores: cpus().length, model: cpus()[0]?.model };
  const method = methodOf(figures, summary);
  await mkdir(options.out, { recursive: true });
  const path = join(options.out, 'bandwidth.json');
  await writeFile(path, `${JSON.stringify({ machine, method, summary, figures }, null, 2)}\n`);
  await writeFile(join(options.out, 'bandwidth.svg'), drawBandwidth(summary));
  console.log(`\n${formatSummary(figures, summary)}\n\n${path}`);
}
