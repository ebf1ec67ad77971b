import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startNats, startRedis } from '@muster/local';
import { silentLogger } from '@muster/runtime';
import { formatSummary, summarize, type CommandBenchFigures } from './report.js';
import { timeRequests } from './request-floor.js';
import { runCommands } from './run-commands.js';

const USAGE = `npm run bench:command -- [options]

  --agents N        simulated endpoints (default 15000)
  --gateways N      default 1
  --singles N       commands to one endpoint each (default 500)
  --wide N          commands to all endpoints (default 7)
  --rate N          connections begun per second (default 1500)
  --tls             over TLS
  --profile DIR     let V8 write CPU profiles of the services there`;

const OPTIONS = {
  agents: { type: 'string', default: '15000' },
  gateways: { type: 'string', default: '1' },
  singles: { type: 'string', default: '500' },
  wide: { type: 'string', default: '7' },
  rate: { type: 'string', default: '1500' },
  tls: { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

/** Compiled to test/dist/load/bench-command; results are kept beside the source. */
const RESULTS = fileURLToPath(new URL('../../../load/results/', import.meta.url));

type Options = ReturnType<typeof readOptions>;

function readOptions() {
  return parseArgs({ options: OPTIONS, strict: true }).values;
}

async function measure(options: Options): Promise<CommandBenchFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-bench-'));
  const nats = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger });
  try {
    const redis = await startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger });
    try {
      const [agents, gateways, tls] = [Number(options.agents), Number(options.gateways), options.tls];
      const requestMs = await timeRequests(nats.url, 2_000);
      const figures = await runCommands({
        natsUrl: nats.url,
        natsMonitorUrl: nats.monitorUrl,
        natsPid: nats.pid,
        redisUrl: redis.url,
        folder: join(folder, 'stack'),
        agents,
        gateways,
        tls,
        connectsPerSecond: Number(options.rate),
        singles: Number(options.singles),
        wide: Number(options.wide),
        say: (text) => process.stderr.write(`${text}\n`),
        ...(options.profile !== undefined && { profileFolder: options.profile }),
      });
      return { ...figures, agents, gateways, tls, requestMs };
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
  const figures = await measure(options);
  const summary = summarize(figures);
  await mkdir(RESULTS, { recursive: true });
  const path = join(RESULTS, `command-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
  const machine = { node: process.version, cores: cpus().length, model: cpus()[0]?.model };
  await writeFile(path, `${JSON.stringify({ machine, summary, figures }, null, 2)}\n`);
  console.log(`\n${formatSummary(figures, summary)}\n\n${path}`);
}
