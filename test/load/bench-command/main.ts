import { join } from 'node:path';
import { runBench, timestamped, type BenchBrokers, type OptionValues } from '../measure/run-bench.js';
import { report, summarize, type CommandBenchFigures } from './report.js';
import { timeRequests } from './request-floor.js';
import { runCommands } from './run-commands.js';

const USAGE = `npm run bench:command -- [options]

  --agents N        simulated endpoints (default 15000)
  --gateways N      default 1
  --singles N       commands to one endpoint each (default 500)
  --wide N          commands to all endpoints (default 7)
  --rate N          connections begun per second (default 1500)
  --tls             over TLS
  --profile DIR     let V8 write CPU profiles of the services to this folder`;

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

async function measure(brokers: BenchBrokers, options: OptionValues<typeof OPTIONS>): Promise<CommandBenchFigures> {
  const [agents, gateways, tls] = [Number(options.agents), Number(options.gateways), options.tls];
  const requestMs = await timeRequests(brokers.natsUrl, 2_000);
  const figures = await runCommands({
    ...brokers,
    folder: join(brokers.folder, 'stack'),
    agents,
    gateways,
    tls,
    connectsPerSecond: Number(options.rate),
    singles: Number(options.singles),
    wide: Number(options.wide),
    ...(options.profile !== undefined && { profileFolder: options.profile }),
  });
  return { ...figures, agents, gateways, tls, requestMs };
}

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, options) => {
    const figures = await measure(brokers, options);
    const summary = summarize(figures);
    return { name: timestamped('command'), document: { summary, figures }, ...report(figures, summary) };
  },
});
