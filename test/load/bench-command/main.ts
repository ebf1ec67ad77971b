import { runBench, timestamped } from '../measure/run-bench.js';
import { report, summarize } from './report.js';
import { timeRequests } from './request-floor.js';
import { runCommands } from './run-commands.js';
import { STACK_OPTIONS, stackOptions } from '../fleet/bench-stack.js';

const USAGE = `npm run bench:command -- [options]

  --agents N        simulated endpoints (default 15000)
  --gateways N      default 1
  --singles N       commands to one endpoint each (default 500)
  --wide N          commands to all endpoints (default 7)
  --rate N          connections begun per second (default 1500)
  --tls             over TLS
  --profile DIR     let V8 write CPU profiles of the services to this folder`;

const OPTIONS = {
  ...STACK_OPTIONS,
  singles: { type: 'string', default: '500' },
  wide: { type: 'string', default: '7' },
} as const;

await runBench({
  usage: USAGE,
  options: OPTIONS,
  run: async (brokers, options) => {
    const requestMs = await timeRequests(brokers.natsUrl, 2_000);
    const stack = stackOptions(brokers, options);
    const singles = Number(options.singles);
    const { agents, gateways, tls } = stack;
    const figures = {
      agents,
      gateways,
      tls,
      requestMs,
      ...(await runCommands({ ...stack, singles, wide: Number(options.wide) })),
    };
    const summary = summarize(figures);
    return { name: timestamped('command'), document: { summary, figures }, ...report(figures, summary) };
  },
});
