import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureCertificates, startNats, startRedis } from '@muster/local';
import { silentLogger } from '@muster/runtime';
import { runFloor, type FloorFigures } from '../floor/run-floor.js';
import { benchQuestion } from './question.js';
import { formatSummary, summarize, type BenchFigures } from './report.js';
import { runProduct, type ProductFigures } from './run-product.js';

const USAGE = `npm run bench:query -- [options]

  --agents N        simulated endpoints (default 15000)
  --gateways N      default 1
  --repetitions N   of each kind of question (default 15)
  --rate N          connections begun per second (default 1500)
  --tls             time over TLS; without it TLS is measured for its memory alone
  --no-other        leave out the second run that measures the memory of the other kind of connection
  --profile DIR     let V8 write CPU profiles of the services there`;

const OPTIONS = {
  agents: { type: 'string', default: '15000' },
  gateways: { type: 'string', default: '1' },
  repetitions: { type: 'string', default: '15' },
  rate: { type: 'string', default: '1500' },
  tls: { type: 'boolean', default: false },
  'no-other': { type: 'boolean', default: false },
  profile: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

const WARM_UP = 5;
/** Compiled to test/dist/load/bench-query; results are kept beside the source. */
const RESULTS = fileURLToPath(new URL('../../../load/results/', import.meta.url));

type Options = ReturnType<typeof readOptions>;

function readOptions() {
  return parseArgs({ options: OPTIONS, strict: true }).values;
}

async function measure(options: Options): Promise<BenchFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-bench-'));
  const nats = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger });
  try {
    const redis = await startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger });
    try {
      return await measureOn({
        folder,
        options,
        natsUrl: nats.url,
        natsPid: nats.pid,
        monitor: nats.monitorUrl,
        redisUrl: redis.url,
      });
    } finally {
      await redis.stop();
    }
  } finally {
    await nats.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Ground {
  readonly folder: string;
  readonly options: Options;
  readonly natsUrl: string;
  readonly natsPid: number | undefined;
  readonly monitor: string;
  readonly redisUrl: string;
}

/** Floor, product, floor again: a machine that gets slower or faster meanwhile is the same to both. */
async function measureOn(ground: Ground): Promise<BenchFigures> {
  const { options } = ground;
  const question = await benchQuestion();
  const repetitions = Number(options.repetitions);
  const floor: FloorFigures[] = [];
  const floorOnce = async (): Promise<void> => {
    say('floor: connecting, asking');
    floor.push(await floorRun(ground, question, Math.ceil(repetitions / 2)));
  };
  await floorOnce();
  say(`product over ${options.tls ? 'TLS' : 'plain connections'}: enrolling, connecting, asking`);
  const timed = await productRun(ground, question.sql, { tls: options.tls, repetitions });
  await floorOnce();
  let other: ProductFigures | undefined;
  if (!options['no-other']) {
    say(`product over ${options.tls ? 'plain connections' : 'TLS'}, for its memory`);
    other = await productRun(ground, question.sql, { tls: !options.tls, repetitions: 0 });
  }
  return {
    agents: Number(options.agents),
    gateways: Number(options.gateways),
    timedOverTls: options.tls,
    questionBytes: question.questionFrame.length,
    answerBytes: question.answerFrame.length,
    floor,
    timed,
    other,
  };
}

async function floorRun(
  { folder, options, natsUrl, natsPid }: Ground,
  { questionFrame, answerFrame }: Awaited<ReturnType<typeof benchQuestion>>,
  repetitions: number,
): Promise<FloorFigures> {
  const certificates = options.tls ? await ensureCertificates(join(folder, 'stack', 'tls')) : undefined;
  return runFloor({
    natsUrl,
    natsPid,
    folder,
    agents: Number(options.agents),
    connectsPerSecond: Number(options.rate),
    question: questionFrame,
    answer: answerFrame,
    repetitions,
    warmUp: WARM_UP,
    ...(certificates !== undefined && {
      tls: {
        cert: certificates.certPath,
        key: certificates.keyPath,
        ca: readFileSync(certificates.caPath, 'utf8'),
      },
    }),
  });
}

function productRun(
  { folder, options, natsUrl, natsPid, monitor, redisUrl }: Ground,
  sql: string,
  { tls, repetitions }: { readonly tls: boolean; readonly repetitions: number },
): Promise<ProductFigures> {
  return runProduct({
    natsUrl,
    natsPid,
    natsMonitorUrl: monitor,
    redisUrl,
    folder: join(folder, 'stack'),
    agents: Number(options.agents),
    gateways: Number(options.gateways),
    connectsPerSecond: Number(options.rate),
    tls,
    sql,
    repetitions,
    warmUp: WARM_UP,
    say,
    ...(options.profile !== undefined && repetitions > 0 && { profileFolder: options.profile }),
  });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const options = readOptions();
if (options.help) console.log(USAGE);
else {
  const figures = await measure(options);
  const summary = summarize(figures);
  await mkdir(RESULTS, { recursive: true });
  const path = join(RESULTS, `query-${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
  const machine = { node: process.version, cores: cpus().length, model: cpus()[0]?.model };
  await writeFile(path, `${JSON.stringify({ machine, summary, figures }, null, 2)}\n`);
  console.log(`\n${formatSummary(figures, summary)}\n\n${path}`);
}
