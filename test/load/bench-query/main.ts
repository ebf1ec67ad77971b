import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { runFloor, type FloorFigures } from '../floor/run-floor.js';
import { progress, runBench, timestamped, type BenchBrokers, type OptionValues } from '../measure/run-bench.js';
import { benchQuery, type BenchQuery } from './bench-query.js';
import { report, summarize, type BenchFigures } from './report.js';
import { runProduct, type ProductFigures } from './run-product.js';
import { STACK_OPTIONS, stackOptions } from '../fleet/bench-stack.js';

const USAGE = `npm run bench:query -- [options]

  --agents N        simulated endpoints (default 15000)
  --gateways N      default 1
  --repetitions N   of each result form (default 15)
  --rate N          connections begun per second (default 1500)
  --tls             time over TLS; without it TLS is measured for its memory alone
  --no-other        leave out the second run that measures the memory of the other kind of connection
  --profile DIR     let V8 write CPU profiles of the services to this folder`;

const OPTIONS = {
  ...STACK_OPTIONS,
  repetitions: { type: 'string', default: '15' },
  'no-other': { type: 'boolean', default: false },
} as const;

const WARM_UP = 5;

type Options = OptionValues<typeof OPTIONS>;

/** Floor, product, floor again: a machine that becomes slower or faster during the bench affects both alike. */
async function measure(brokers: BenchBrokers, options: Options): Promise<BenchFigures> {
  const query = await benchQuery();
  const repetitions = Number(options.repetitions);
  const floor: FloorFigures[] = [];
  const floorOnce = async (): Promise<void> => {
    progress('floor: connecting, asking');
    floor.push(await floorRun(brokers, options, { query, repetitions: Math.ceil(repetitions / 2) }));
  };
  await floorOnce();
  progress(`product over ${options.tls ? 'TLS' : 'plain connections'}: enrolling, connecting, asking`);
  const timed = await productRun(brokers, options, { sql: query.sql, tls: options.tls, repetitions });
  await floorOnce();
  let other: ProductFigures | undefined;
  if (!options['no-other']) {
    progress(`product over ${options.tls ? 'plain connections' : 'TLS'}, for its memory`);
    other = await productRun(brokers, options, { sql: query.sql, tls: !options.tls, repetitions: 0 });
  }
  return {
    agents: Number(options.agents),
    gateways: Number(options.gateways),
    timedOverTls: options.tls,
    questionBytes: query.queryFrame.length,
    answerBytes: query.answerFrame.length,
    floor,
    timed,
    other,
  };
}

async function floorRun(
  { folder, natsUrl, natsPid }: BenchBrokers,
  options: Options,
  { query, repetitions }: { readonly query: BenchQuery; readonly repetitions: number },
): Promise<FloorFigures> {
  const certificates = options.tls ? await ensureCertificates(join(folder, 'stack', 'tls')) : undefined;
  return runFloor({
    natsUrl,
    natsPid,
    agents: Number(options.agents),
    connectsPerSecond: Number(options.rate),
    query: query.queryFrame,
    answer: query.answerFrame,
    repetitions,
    warmUp: WARM_UP,
    ...(certificates !== undefined && {
      tls: { cert: certificates.certPath, key: certificates.keyPath, ca: readFileSync(certificates.caPath, 'utf8') },
    }),
  });
}

function productRun(
  brokers: BenchBrokers,
  options: Options,
  run: { readonly sql: string; readonly tls: boolean; readonly repetitions: number },
): Promise<ProductFigures> {
  const { profileFolder, ...stack } = stackOptions(brokers, { ...options, tls: run.tls });
  const profile = profileFolder !== undefined && run.repetitions > 0 ? { profileFolder } : {};
  return runProduct({ ...stack, ...run, ...profile, warmUp: WARM_UP });
}

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, options) => {
    const figures = await measure(brokers, options);
    const summary = summarize(figures);
    return { name: timestamped('query'), document: { summary, figures }, ...report(figures, summary) };
  },
});
